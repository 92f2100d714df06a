/** Solvers for providers where every value is a record of its own, so that other records are never touched. */
import type { Solver } from "../plugin.ts";
import type { Provider, ZoneReceipt } from "./provider.ts";
import { Refusal } from "./refusal.ts";
import type { ProviderZone } from "./zones.ts";
/** A TXT record by its full name, without the trailing dot, and its value without quotes. */
export interface TxtRecord {
  readonly name: string;
  readonly value: string;
}
/** Every call is made once and rejects with a `Refusal`: what can pass is repeated here, `findZone` and `check` included. */
export interface RecordProvider extends Provider {
  /** The ids of all records with this name and value, on whatever page. */
  find(zone: ProviderZone, record: TxtRecord, signal: AbortSignal): Promise<readonly string[]>;
  /** The id of the new record. */
  create(zone: ProviderZone, record: TxtRecord, signal: AbortSignal): Promise<string>;
  remove(zone: ProviderZone, recordId: string, signal: AbortSignal): Promise<void>;
  /** Where the provider refuses a second record of one name and value: is this such a refusal? Else `find` goes first. */
  isDouble?(refusal: Refusal): boolean;
  /** Does the refusal of `remove` mean that the record is gone? Status 404 does anyhow. */
  isGone?(refusal: Refusal): boolean;
  /** Several records in one request, all or none; if it is refused, they are written one by one. */
  readonly batch?: Batch;
}
export interface Batch {
  /** How many records fit in one request. */
  readonly most: number;
  /** Ids in the order of the records, where the answer has them. */
  create(
    zone: ProviderZone,
    records: readonly TxtRecord[],
    signal: AbortSignal,
  ): Promise<readonly (string | undefined)[]>;
  remove(zone: ProviderZone, recordIds: readonly string[], signal: AbortSignal): Promise<unknown>;
}
export interface RecordReceipt extends ZoneReceipt {
  readonly recordId: string;
}
/** A dns-01 solver that keeps each value in a record of its own. */
export declare function recordSolver(provider: RecordProvider): Solver<"dns-01", RecordReceipt>;
