import { durationOf } from "./dates.ts";

/** Milliseconds. Clocks that differ by more are not just read late: dates of orders, certificates and retries go wrong. */
export const largestSkew = 300_000;

/** `skew` is how far the CA's clock is ahead of ours, in milliseconds; `url` is of the CA. */
export function skewText(skew: number, url: string, verb = "is"): string {
  const direction = skew > 0 ? "behind" : "ahead of";
  const minutes = Math.round(Math.abs(skew) / 60_000);
  const { host } = new URL(url);
  return `the clock of this machine ${verb} ${durationOf(minutes * 60_000)} ${direction} that of ${host}`;
}
