/** The waiting loops of RFC 8555 §7.4 and §7.5.1. */
import type { Clock } from "../clock.ts";
import type { Waiting } from "./acme.ts";

export interface Poll<T> {
  read(): Promise<T>;
  isFinal(value: T): boolean;
  /** When the CA gives up by itself. */
  expires(value: T): Date | undefined;
  /** When the CA wants to be asked again. */
  retryAfter(value: T): Date | undefined;
  /** The Problem for time that ran out: ours, or the object's own. */
  late(value: T | undefined, why: "timeout" | "expired"): Error;
}

/** Ask until the answer is final. `start` is what is known already. The clock's time is corrected by `skew` milliseconds. */
export async function poll<T>(
  start: T | undefined,
  asked: Poll<T>,
  { clock, skew, waiting }: { clock: Clock; skew: () => number; waiting: Waiting },
): Promise<T> {
  const deadline = clock.now().getTime() + waiting.timeout;
  let value = start;
  for (let turn = 0; ; turn += 1) {
    const now = clock.now().getTime();
    const expires = value === undefined ? undefined : asked.expires(value);
    if (expires !== undefined && expires.getTime() <= now + skew())
      throw asked.late(value, "expired");
    const wished = value === undefined ? undefined : asked.retryAfter(value);
    const pause = delay(turn, wished === undefined ? undefined : wished.getTime() - now);
    if (now >= deadline) throw asked.late(value, "timeout");
    // The last look is taken right at the deadline, not skipped.
    await clock.sleep(Math.min(pause, deadline - now), waiting.signal);
    value = await asked.read();
    if (asked.isFinal(value)) return value;
  }
}

/** Milliseconds. A CA that names more than a minute (one names a day) cannot mean a poll, and is asked at our slowest. */
export function delay(turn: number, wished: number | undefined): number {
  if (wished === undefined) return Math.min(500 * 1.5 ** turn, slowest);
  // The floor rises, so that "at once, at once" does not become a flood.
  return wished > 60_000 ? slowest : Math.max(wished, Math.min(250 * 1.2 ** turn, 2000));
}

const slowest = 10_000;
