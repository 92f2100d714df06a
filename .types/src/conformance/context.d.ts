/** A solver's context without acmectl around it. */
import type { Log, LogFields, SolverContext, SolverState } from "../plugin.ts";
/** A log that drops everything. */
export declare const silentLog: Log;
export interface LogEntry {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: LogFields;
}
/** A log that keeps everything, debug too, in `entries`. */
export declare function recordingLog(): Log & {
  readonly entries: readonly LogEntry[];
};
/** A context as `create` gets it: state in memory, a silent log, and zones of two labels unless others are given. */
export declare function solverContext(given?: Partial<SolverContext>): SolverContext;
/** State that ends with the process, and like the real one keeps nothing but JSON. */
export declare function memoryState(): SolverState;
