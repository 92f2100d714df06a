/** Retries of requests. */
import type { Clock } from "../../clock.ts";
import type { Log } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import { isPassing } from "./network.ts";

/** Retry a task that does no harm twice, after a failure that may pass: a network failure, or one that the CA calls temporary. */
export async function repeat<T>(
  task: () => Promise<T>,
  signal: AbortSignal,
  { clock, log }: { clock: Clock; log: Log },
): Promise<T> {
  for (const pause of pauses) {
    try {
      return await task();
    } catch (error) {
      const wait = Problem.is(error) ? pauseFor(error, pause, clock.now()) : undefined;
      if (wait === undefined || !Problem.is(error)) throw error;
      log.debug(`${error.message} Asking again in ${wait} ms.`);
      await clock.sleep(wait, signal);
    }
  }
  return task();
}

/** Pauses before the repeats, in milliseconds. */
const pauses = [250, 1000];
/** A longer pause is left to the caller, so that the process does not sleep. */
const longestPause = 10_000;

function pauseFor(problem: Problem, pause: number, now: Date): number | undefined {
  const status = problem.document.status ?? 0;
  if (!isPassing(problem) && status !== 429 && status < 500) return undefined;
  if (problem.retryAt === undefined) return status === 429 ? undefined : pause;
  const wait = problem.retryAt.getTime() - now.getTime();
  return wait <= longestPause ? Math.max(wait, pause) : undefined;
}
