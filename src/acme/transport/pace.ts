import type { Clock } from "../../clock.ts";
import type { RateLimit } from "../presets.ts";

/** Resolves when a request may be sent: `most` at once, then evenly over the time (a leaky bucket). */
export function openPace(
  limit: RateLimit | undefined,
  clock: Pick<Clock, "monotonic" | "sleep">,
): (signal: AbortSignal) => Promise<void> {
  if (limit === undefined) return () => Promise.resolve();
  const interval = limit.per / limit.most;
  /** When the bucket is empty again. */
  let empty = 0;
  return async (signal) => {
    const now = clock.monotonic();
    empty = Math.max(empty, now) + interval;
    const wait = empty - now - limit.per;
    if (wait > 0) await clock.sleep(wait, signal);
  };
}
