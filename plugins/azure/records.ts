/** Compare-and-swap on one TXT set: it is written only if it still has the etag with which it was read. */
import { Problem } from "acmectl/plugin";
import { compareAndSwap, Refusal } from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import type { Api, RecordSet, Zone } from "./client.ts";
import { relativeName, zoneText } from "./zones.ts";

/** Values to be there, and values to be gone. */
export interface Edit {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

export interface Place {
  readonly zone: Zone;
  readonly recordName: string;
}

export interface RecordSettings {
  /** Seconds, for a set that acmectl creates. */
  readonly ttl: number;
  readonly log: Log;
}

const mostRecords = 20;

/** Makes the edit true. What others wrote in the meantime is read again and kept. */
export async function editRecords(
  api: Api,
  place: Place,
  edit: Edit,
  { ttl, log }: RecordSettings,
  signal: AbortSignal,
): Promise<void> {
  const { zone, recordName } = place;
  const name = relativeName(recordName, zone.name);
  await compareAndSwap({
    read: () => api.recordSet(zone, name, signal),
    async write(old) {
      const records = wanted(old, edit);
      if (records === undefined) return;
      if (records.length > mostRecords && edit.add.length > 0) throw full(place, records.length);
      const set = { ttl: old?.ttl ?? ttl, records, metadata: old?.metadata };
      if (records.length > 0) await api.write(zone, name, set, old, signal);
      else if (old !== undefined) await api.remove(zone, name, old, signal);
    },
    isConflict,
    what: recordName,
    log,
    signal,
  });
}

/** What is to be there in the end; nothing when that is so already. */
function wanted(
  old: RecordSet | undefined,
  { add, remove }: Edit,
): RecordSet["records"] | undefined {
  const before = old?.records ?? [];
  const held = new Set(before.map(textOfRecord));
  const kept = before.filter((record) => !remove.includes(textOfRecord(record)));
  const missing = [...new Set(add)].filter((value) => !held.has(value));
  if (kept.length === before.length && missing.length === 0) return undefined;
  return [...kept, ...missing.map((value) => [value])];
}

function textOfRecord(record: readonly string[]): string {
  return record.join("");
}

/** Another write came first, or is under way; a lock stays. */
function isConflict(error: unknown): boolean {
  if (!(error instanceof Refusal)) return false;
  return error.status === 412 || (error.status === 409 && !error.says("ScopeLocked"));
}

function full({ zone, recordName }: Place, count: number): Problem {
  return new Problem("solver", {
    title: "The record set is full",
    detail: `Azure: ${recordName} in zone ${zoneText(zone)} would have ${count} TXT records, and Azure allows ${mostRecords}`,
    hint: "Remove those that nobody needs, left behind by other tools.",
  });
}
