/** Compare-and-swap on the TXT sets of a zone: the exact old sets go and the new ones come in one change. */
import { Problem } from "acmectl/plugin";
import { compareAndSwap, Refusal } from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import type { Api, Change, HeldSet, RecordSet } from "./client.ts";

/** Values to be there, and values to be gone, at one name. */
export interface Edit {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

export interface RecordSettings {
  /** Seconds, for a set that acmectl creates. */
  readonly ttl: number;
  readonly log: Log;
}

/**
 * Makes every edit true in one change and returns the change's id; nothing when all was true already. What others wrote
 * in the meantime is read again and kept.
 */
export function editRecords(
  api: Api,
  zone: string,
  edits: ReadonlyMap<string, Edit>,
  { ttl, log }: RecordSettings,
  signal: AbortSignal,
): Promise<string | undefined> {
  return compareAndSwap({
    read: () => readSets(api, zone, [...edits.keys()], signal),
    async write(held) {
      const change = changeFor(edits, held, ttl);
      if (change.deletions.length + change.additions.length === 0) return undefined;
      return api.change(zone, change, signal);
    },
    isConflict,
    what: `the records of zone ${zone}`,
    log,
    signal,
  });
}

/** A set was changed (412), was made (409), or went away; a zone that is not there fails when it is read again. */
function isConflict(error: unknown): boolean {
  return error instanceof Refusal && error.says("conditionNotMet", "alreadyExists", "notFound");
}

/** What makes `edits` true and leaves everything else as it is, TTLs included. */
function changeFor(
  edits: ReadonlyMap<string, Edit>,
  held: ReadonlyMap<string, HeldSet>,
  ttl: number,
): Change {
  const deletions: RecordSet[] = [];
  const additions: RecordSet[] = [];
  for (const [name, { add, remove }] of edits) {
    const old = held.get(name);
    const before = old?.rrdatas ?? [];
    const gone = new Set(remove.map(quoted));
    const after = [...new Set([...before.filter((value) => !gone.has(value)), ...add.map(quoted)])];
    if (after.length === before.length && after.every((value) => before.includes(value))) continue;
    const set = { name: old?.name ?? `${name}.`, type: "TXT", ttl: old?.ttl ?? ttl } as const;
    if (old !== undefined) deletions.push({ ...set, rrdatas: before });
    if (after.length > 0) additions.push({ ...set, rrdatas: after });
  }
  return { deletions, additions };
}

/** One request for a small zone with several names in question, else one for each name. */
async function readSets(
  api: Api,
  zone: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, HeldSet>> {
  if (names.length > 2) {
    const { items, token } = await api.recordSets(zone, {}, signal);
    if (token === undefined) return chosen(items, names);
  }
  const found: HeldSet[] = [];
  for (const name of names) found.push(...(await api.recordSets(zone, { name }, signal)).items);
  return chosen(found, names);
}

function chosen(sets: readonly HeldSet[], names: readonly string[]): ReadonlyMap<string, HeldSet> {
  const found = new Map<string, HeldSet>();
  for (const set of sets) {
    const name = set.name.toLowerCase().replace(/\.$/, "");
    if (!names.includes(name)) continue;
    if (set.routed) throw routed(name);
    found.set(name, set);
  }
  return found;
}

function routed(name: string): Problem {
  return new Problem("config", {
    title: "The record set has a routing policy",
    detail: `Cloud DNS: the TXT records of ${name} follow a routing policy, so no value can be added to all of its answers`,
    hint: "Turn it into a plain record set, or delegate the name to another zone by a CNAME.",
  });
}

function quoted(value: string): string {
  return `"${value}"`;
}
