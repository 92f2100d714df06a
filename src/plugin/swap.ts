/** Changes to what others change too. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../plugin.ts";

export interface Swap<State, Result> {
  /** What is there now. Its failures are never taken for a conflict. */
  readonly read: () => Promise<State>;
  /** Writes on condition that all still is as it was read. */
  readonly write: (state: State) => Promise<Result>;
  /** Did the write fail because others came first? `before` is the state of the attempt before this one. */
  readonly isConflict: (error: unknown, state: State, before: State | undefined) => boolean;
  /** For the log, e.g. `the records of zone example`. */
  readonly what: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Milliseconds; 1,000 when absent. */
  readonly longestPause?: number | undefined;
}

const attempts = 12;

/**
 * Reads and writes until no other write came in between, with growing random pauses. Rejects with what `read` failed with, with
 * the error of a write that met no conflict or met one for the twelfth time, or with the signal's reason.
 */
export async function compareAndSwap<State, Result>({
  read,
  write,
  isConflict,
  what,
  log,
  signal,
  longestPause = 1_000,
}: Swap<State, Result>): Promise<Result> {
  let before: State | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const state = await read();
    try {
      return await write(state);
    } catch (error) {
      if (attempt === attempts || !isConflict(error, state, before)) throw error;
      log.debug(`${what} changed meanwhile; reading again`, { attempt });
      before = state;
      const pause = Math.random() * Math.min(50 * 2 ** attempt, longestPause);
      await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** One piece of work per key at a time, in the order of arrival; a failed one does not stop the next. */
export function inTurns() {
  const last = new Map<string, Promise<unknown>>();
  return <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const before = last.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    last.set(key, mine);
    return mine;
  };
}
