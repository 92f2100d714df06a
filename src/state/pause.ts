import type { CertificateStatus } from "./certificate-status.ts";

/** Milliseconds: no CA is known to ask for more. A later time was written by a wrong clock. */
const longest = 7 * 24 * 3_600_000;

/** Until when the CA accepts no order for this certificate; undefined when it set no time, or the time has passed. */
export function caPauseOf(
  { caRetryAt, retryAt, retryReason }: CertificateStatus,
  now: Date,
): Date | undefined {
  const time = caRetryAt ?? (retryReason === "ca" ? retryAt : undefined);
  const until = time === undefined ? undefined : new Date(time);
  return until !== undefined && isAhead(until, now, longest) ? until : undefined;
}

/** True for a time in the future, by at most `most` milliseconds. */
export function isAhead(time: Date, now: Date, most: number): boolean {
  return time > now && time.getTime() - now.getTime() <= most;
}
