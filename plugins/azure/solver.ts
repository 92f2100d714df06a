/** Presents and cleans up: every value of one name in one write. */
import { inTurns } from "acmectl/plugin/http";
import type { Call, CleanupItem, Dns01Challenge, Log, Solver, Target } from "acmectl/plugin";
import type { Explain } from "acmectl/plugin/http";
import type { Api, Zone } from "./client.ts";
import { explainer } from "./errors.ts";
import { editRecords } from "./records.ts";
import type { Edit, Place } from "./records.ts";
import { NoZone, relativeName, zoneText } from "./zones.ts";
import type { FindZone } from "./zones.ts";

/** What undoes a present. */
export interface Receipt {
  /** The zone's path in the management API. */
  readonly zoneId: string;
  readonly zoneName: string;
}

export interface SolverSettings {
  readonly ttl: number;
  readonly identity: () => string;
  readonly log: Log;
  readonly findZone: FindZone;
}

/** How many record sets are written at once; each is one read and one write. */
const lanes = 4;

/** A solver on an open API. */
export function solve(api: Api, settings: SolverSettings): Solver<"dns-01", Receipt> {
  const explaining = explainer(settings.identity);
  const zoneOf: ZoneOf = (recordName, { signal }) =>
    explaining(`find the zone of ${recordName}`, signal, () =>
      settings.findZone(recordName, signal),
    );
  const edit = editor(api, settings, explaining);
  const presentAll = async (challenges: readonly Dns01Challenge[], call: Call) => {
    const places: (Place & { value: string })[] = [];
    for (const { recordName, recordValue: value } of challenges)
      places.push({ recordName, value, zone: await zoneOf(recordName, call) });
    await inLanes(byName(places, "add"), ({ place, change }) => edit(place, change, call));
    return places.map(({ zone }) => ({ zoneId: zone.id, zoneName: zone.name }));
  };
  const cleanupAll = async (items: readonly CleanupItem<"dns-01", Receipt>[], call: Call) => {
    const places: (Place & { value: string })[] = [];
    for (const { challenge, receipt } of items) {
      const { recordName, recordValue: value } = challenge;
      const zone =
        receipt === undefined
          ? await zoneLeft(zoneOf(recordName, call), settings)
          : zoneIn(receipt);
      if (zone !== undefined) places.push({ recordName, value, zone });
    }
    await inLanes(byName(places, "remove"), ({ place, change }) => edit(place, change, call));
  };
  return {
    preflight: (targets, call) => check(api, targets, zoneOf, explaining, call),
    present: async (challenge, call) => first(await presentAll([challenge], call)),
    cleanup: (challenge, receipt, call) => cleanupAll([{ challenge, receipt }], call),
    presentAll,
    cleanupAll,
  };
}

type ZoneOf = (recordName: string, call: Call) => Promise<Zone>;

/** Writes to one name from this run go one after the other; those of other runs are met by compare-and-swap. */
function editor(api: Api, { ttl, log }: SolverSettings, explaining: Explain) {
  const inTurn = inTurns();
  return (place: Place, change: Edit, { signal }: Call): Promise<void> => {
    const { zone, recordName } = place;
    const doing = `change the TXT records of ${recordName} in zone ${zoneText(zone)}`;
    return inTurn(recordName, () =>
      explaining(doing, signal, () => editRecords(api, place, change, { ttl, log }, signal)),
    );
  };
}

/** Proves the credentials, every zone, and the right to read each; writing cannot be tried without writing. */
async function check(
  api: Api,
  targets: readonly Target[],
  zoneOf: ZoneOf,
  explaining: Explain,
  call: Call,
): Promise<void> {
  const { signal } = call;
  const read = new Set<string>();
  for (const { recordName } of targets) {
    if (recordName === undefined) continue;
    const zone = await zoneOf(recordName, call);
    if (read.has(zone.id)) continue;
    read.add(zone.id);
    const doing = `read the TXT records of ${recordName} in zone ${zoneText(zone)}`;
    await explaining(doing, signal, async () => {
      const set = await api.recordSet(zone, relativeName(recordName, zone.name), signal);
      if (set === undefined) await api.checkZone(zone, signal);
    });
  }
}

/** A zone that is gone took its records with it. */
async function zoneLeft(found: Promise<Zone>, { log }: SolverSettings): Promise<Zone | undefined> {
  try {
    return await found;
  } catch (error) {
    if (!(error instanceof NoZone)) throw error;
    log.warn(`nothing to clean up: ${error.message}`);
    return undefined;
  }
}

function byName(places: readonly (Place & { value: string })[], what: keyof Edit) {
  const names = Map.groupBy(places, ({ zone, recordName }) => `${zone.id} ${recordName}`);
  return Array.from(names.values(), (members) => {
    const change = { add: [], remove: [], [what]: members.map(({ value }) => value) };
    return { place: first(members), change };
  });
}

/** A few at a time; all of those that began have ended when it rejects. */
async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += lanes) {
    const results = await Promise.allSettled(items.slice(from, from + lanes).map(work));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}

function zoneIn({ zoneId: id, zoneName: name }: Receipt): Zone {
  return { id, name };
}

function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new RangeError("nothing was asked for");
  return item;
}
