/** Presents and cleans up: every name of one zone in one change. */
import { inTurns, Refusal } from "acmectl/plugin/http";
import type { Call, CleanupItem, Dns01Challenge, Log, Solver, Target } from "acmectl/plugin";
import type { Explain } from "acmectl/plugin/http";
import type { Api } from "./client.ts";
import { doneChecker } from "./done.ts";
import { explainer } from "./errors.ts";
import { editRecords } from "./records.ts";
import type { Edit } from "./records.ts";
import { NoZone } from "./zones.ts";
import type { FindZone } from "./zones.ts";

/** What undoes a present, and what tells when it is live. */
export interface Receipt {
  /** The managed zone's name. */
  readonly zone: string;
  /** Absent when the value was there already. */
  readonly changeId?: string;
}

export interface SolverSettings {
  readonly ttl: number;
  readonly identity: string;
  readonly log: Log;
  readonly findZone: FindZone;
}

/** A solver on an open API. */
export function solve(api: Api, settings: SolverSettings): Solver<"dns-01", Receipt> {
  const explaining = explainer(settings.identity);
  const zoneOf: ZoneOf = (recordName, { signal }) =>
    explaining(`find the managed zone of ${recordName}`, signal, () =>
      settings.findZone(recordName, signal),
    );
  const edit = editor(api, settings, explaining);
  const presentAll = async (challenges: readonly Dns01Challenge[], call: Call) => {
    const places = await eachInTurn(challenges, async (challenge) => {
      return { challenge, zone: await zoneOf(challenge.recordName, call) };
    });
    const receipts = new Map<string, Receipt>();
    for (const [zone, edits] of byZone(places, "add")) {
      const changeId = await edit(zone, edits, call);
      receipts.set(zone, changeId === undefined ? { zone } : { zone, changeId });
    }
    return places.map(({ zone }) => receipts.get(zone) ?? { zone });
  };
  const cleanupAll = async (items: readonly CleanupItem<"dns-01", Receipt>[], call: Call) => {
    const places = await eachInTurn(items, async ({ challenge, receipt }) => {
      const zone = receipt?.zone ?? (await zoneLeft(zoneOf(challenge.recordName, call), settings));
      return zone === undefined ? [] : [{ challenge, zone }];
    });
    for (const [zone, edits] of byZone(places.flat(), "remove")) await edit(zone, edits, call);
  };
  return {
    preflight: (targets, call) => check(api, targets, zoneOf, explaining, call),
    present: async (challenge, call) => first(await presentAll([challenge], call)),
    cleanup: (challenge, receipt, call) => cleanupAll([{ challenge, receipt }], call),
    presentAll,
    cleanupAll,
    checkPropagation: doneChecker(api, settings.log, explaining),
  };
}

type ZoneOf = (recordName: string, call: Call) => Promise<string>;

/** Changes of one zone from this run go one after the other; those of other runs are met by compare-and-swap. */
function editor(api: Api, { ttl, log }: SolverSettings, explaining: Explain) {
  const inTurn = inTurns();
  return (zone: string, edits: ReadonlyMap<string, Edit>, { signal }: Call) => {
    const doing = `change the TXT records of ${[...edits.keys()].join(", ")} in zone ${zone}`;
    return inTurn(zone, () =>
      explaining(doing, signal, async () => {
        try {
          return await editRecords(api, zone, edits, { ttl, log }, signal);
        } catch (error) {
          const adds = [...edits.values()].some(({ add }) => add.length > 0);
          if (adds || !(error instanceof Refusal) || error.status !== 404) throw error;
          log.warn(`zone ${zone} is gone, and its records with it`);
          return undefined;
        }
      }),
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
  const read = new Set<string>();
  for (const { recordName } of targets) {
    if (recordName === undefined) continue;
    const zone = await zoneOf(recordName, call);
    if (read.has(zone)) continue;
    read.add(zone);
    await explaining(`read the TXT records of ${recordName} in zone ${zone}`, call.signal, () =>
      api.recordSets(zone, { name: recordName }, call.signal),
    );
  }
}

/** A zone that is gone took its records with it. */
async function zoneLeft(
  found: Promise<string>,
  { log }: SolverSettings,
): Promise<string | undefined> {
  try {
    return await found;
  } catch (error) {
    if (!(error instanceof NoZone)) throw error;
    log.warn(`nothing to clean up: ${error.message}`);
    return undefined;
  }
}

interface Place {
  readonly challenge: Dns01Challenge;
  readonly zone: string;
}

function byZone(
  places: readonly Place[],
  what: keyof Edit,
): readonly (readonly [string, ReadonlyMap<string, Edit>])[] {
  const zones = Map.groupBy(places, ({ zone }) => zone);
  return Array.from(zones, ([zone, members]) => {
    const names = Map.groupBy(members, ({ challenge }) => challenge.recordName);
    const edits = Array.from(names, ([name, group]) => {
      const values = [...new Set(group.map(({ challenge }) => challenge.recordValue))];
      return [name, { add: [], remove: [], [what]: values }] as const;
    });
    return [zone, new Map(edits)] as const;
  });
}

async function eachInTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new RangeError("nothing was asked for");
  return item;
}
