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
/**
 * Reads and writes until no other write came in between, with growing random pauses. Rejects with what `read` failed with, with
 * the error of a write that met no conflict or met one for the twelfth time, or with the signal's reason.
 */
export declare function compareAndSwap<State, Result>({
  read,
  write,
  isConflict,
  what,
  log,
  signal,
  longestPause,
}: Swap<State, Result>): Promise<Result>;
/** One piece of work per key at a time, in the order of arrival; a failed one does not stop the next. */
export declare function inTurns(): <T>(key: string, work: () => Promise<T>) => Promise<T>;
