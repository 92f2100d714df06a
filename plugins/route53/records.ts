/** Compare-and-swap on the TXT sets of a zone: the exact old set goes and the new one comes in one batch. */
import { compareAndSwap } from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import type { Api, Change, RecordPage, RecordStart, ResourceRecordSet } from "./client.ts";
import { batchesOf, changesFor } from "./changes.ts";
import type { Edit } from "./changes.ts";
import { codeOf } from "./answer.ts";
import { zoneText } from "./errors.ts";
import type { Zone } from "./zones.ts";

export interface RecordSettings {
  /** Seconds, for a set that acmectl creates. */
  readonly ttl: number;
  readonly log: Log;
}

/**
 * Make every edit true in one batch if it fits, and return the change's id by record name; names that needed no change
 * have none. What others wrote in the meantime is read again and kept.
 */
export function editRecords(
  api: Api,
  zone: Zone,
  edits: ReadonlyMap<string, Edit>,
  { ttl, log }: RecordSettings,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const done = new Map<string, string>();
  return compareAndSwap({
    read: () => readSets(api, zone, [...edits.keys()], signal),
    async write(sets) {
      const planned = new Map<string, readonly Change[]>();
      for (const [name, edit] of edits) {
        const changes = changesFor(name, sets.get(name) ?? [], edit, ttl);
        if (changes.length > 0) planned.set(name, changes);
      }
      await send(api, zone, planned, done, signal);
      return done;
    },
    isConflict,
    what: `the records of ${zoneText(zone)}`,
    log,
    signal,
    longestPause: 2_000,
  });
}

async function send(
  api: Api,
  zone: Zone,
  planned: ReadonlyMap<string, readonly Change[]>,
  done: Map<string, string>,
  signal: AbortSignal,
): Promise<void> {
  for (const batch of batchesOf(planned)) {
    const id = await api.change(zone.id, batch.changes, signal);
    if (id !== undefined) for (const name of batch.names) done.set(name, id);
  }
}

/** AWS has one code for all refusals. A lost race is one whose words say so, or one after which the records look different. */
function isConflict(error: unknown, sets: Sets, before: Sets | undefined): boolean {
  if (codeOf(error) !== "InvalidChangeBatch" || !(error instanceof Error)) return false;
  if (/already exists|was not found|do not match/i.test(error.message)) return true;
  return before === undefined || JSON.stringify([...sets]) !== JSON.stringify([...before]);
}

type Sets = ReadonlyMap<string, readonly ResourceRecordSet[]>;

/** One request for a small zone with several names in question, else one for each name. */
async function readSets(
  api: Api,
  zone: Zone,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Sets> {
  if (names.length > 2) {
    const { sets, next } = await api.recordSets(zone.id, {}, signal);
    if (next === undefined) return new Map(names.map((name) => [name, sets.filter(isTxtOf(name))]));
  }
  const found = new Map<string, readonly ResourceRecordSet[]>();
  for (const name of names) found.set(name, await readName(api, zone, name, signal));
  return found;
}

/** The listing starts at the name and type, so later records come along. */
async function readName(
  api: Api,
  zone: Zone,
  name: string,
  signal: AbortSignal,
): Promise<readonly ResourceRecordSet[]> {
  const sets: ResourceRecordSet[] = [];
  let next: RecordStart | undefined = { name: `${name}.`, type: "TXT" };
  while (next !== undefined) {
    const page: RecordPage = await api.recordSets(zone.id, next, signal);
    sets.push(...page.sets.filter(isTxtOf(name)));
    next = plain(page.next?.name) === name && page.next?.type === "TXT" ? page.next : undefined;
  }
  return sets;
}

function isTxtOf(name: string) {
  return (set: ResourceRecordSet) => set.Type === "TXT" && plain(set.Name) === name;
}

function plain(name: string | undefined): string | undefined {
  return name?.toLowerCase().replace(/\.$/, "");
}
