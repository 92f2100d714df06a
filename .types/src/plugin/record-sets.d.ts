/** Solvers for providers that keep all values of a name in one set: it is written only if it is still as it was read. */
import type { Call, Solver } from "../plugin.ts";
import type { Provider, ZoneReceipt } from "./provider.ts";
import { Refusal } from "./refusal.ts";
import type { ProviderZone } from "./zones.ts";
/** Values to be there, and values to be gone, at one name. */
export interface Edit {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}
/** By record name. */
export type Edits = ReadonlyMap<string, Edit>;
export interface WriteCall extends Call {
  /** To be called with the id of each change made, for `isDone`. */
  changed(names: Iterable<string>, changeId: string): void;
}
/** `State` is what was read of some names: whatever the provider's condition needs. */
export interface RecordSetProvider<State> extends Provider {
  /** What one write changes: all names of a zone at once, or one name. */
  readonly unit: "zone" | "name";
  read(zone: ProviderZone, names: readonly string[], signal: AbortSignal): Promise<State>;
  /** Makes the edits true on condition that all is still as in `state`; leaves other values and the TTL as they are. */
  write(zone: ProviderZone, edits: Edits, state: State, call: WriteCall): Promise<void>;
  /** Was the write refused since others came first? `before` is the state of the attempt before this one. */
  isConflict(refusal: Refusal, state: State, before: State | undefined): boolean;
  /** Milliseconds between two attempts, at most; 1,000 when absent. */
  readonly longestPause?: number;
  /** Is the change live on all name servers? Where that may not be asked, only the DNS is. */
  isDone?(zone: ProviderZone, changeId: string, signal: AbortSignal): Promise<boolean>;
  /** What to grant so that it may be asked, e.g. `dns.changes.get`. */
  readonly donePermission?: string;
}
export interface RecordSetReceipt extends ZoneReceipt {
  /** Absent when the value was there already. */
  readonly changeId?: string;
}
/** A dns-01 solver that adds values to record sets and takes them out again. */
export declare function recordSetSolver<State>(
  provider: RecordSetProvider<State>,
): Solver<"dns-01", RecordSetReceipt>;
/** The values of a set after an edit, foreign ones in their place; nothing if it is so already. */
export declare function edited(
  held: readonly string[],
  { add, remove }: Edit,
  write?: (value: string) => string,
): readonly string[] | undefined;
