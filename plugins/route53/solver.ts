/** Presents and cleans up: every name of one zone in one change, one change of a zone at a time. */
import { Problem } from "acmectl/plugin";
import { inTurns, suffixesOf } from "acmectl/plugin/http";
import type { Call, CleanupItem, Dns01Challenge, Log, Solver, Target } from "acmectl/plugin";
import type { Edit } from "./changes.ts";
import type { Api } from "./client.ts";
import type { Asked } from "./credentials.ts";
import { codeOf } from "./answer.ts";
import { problemOf, zoneText } from "./errors.ts";
import type { Attempt } from "./errors.ts";
import { editRecords } from "./records.ts";
import { insyncChecker } from "./insync.ts";
import type { FindZone, Zone } from "./zones.ts";

/** What undoes a present, and what tells when it is live. */
export interface Receipt {
  readonly zoneId: string;
  readonly zoneName?: string;
  /** Absent when the value was there already. */
  readonly changeId?: string;
}

export interface SolverSettings {
  readonly ttl: number;
  readonly waitForInsync: boolean;
  readonly asked: Asked;
  readonly log: Log;
  readonly findZone: FindZone;
}

/** A solver on an open API. */
export function solve(api: Api, settings: SolverSettings): Solver<"dns-01", Receipt> {
  const explaining = explainer(settings.asked);
  const zoneOf = zoneLookup(settings.findZone, explaining);
  const edit = editor(api, settings, explaining);
  const presentAll = async (challenges: readonly Dns01Challenge[], call: Call) => {
    const places = await eachInTurn(challenges, async (challenge) => {
      return { challenge, zone: await zoneOf(challenge.recordName, call) };
    });
    const changes = new Map<string, ReadonlyMap<string, string>>();
    for (const [zone, edits] of byZone(places, "add"))
      changes.set(zone.id, await edit(zone, edits, call));
    return places.map(({ challenge, zone }) =>
      receiptOf(zone, changes.get(zone.id)?.get(challenge.recordName)),
    );
  };
  const cleanupAll = async (items: readonly CleanupItem<"dns-01", Receipt>[], call: Call) => {
    const places = await eachInTurn(items, async ({ challenge, receipt }) => {
      const zone = receipt === undefined ? zoneOf(challenge.recordName, call) : zoneIn(receipt);
      return { challenge, zone: await zone };
    });
    for (const [zone, edits] of byZone(places, "remove")) await edit(zone, edits, call);
  };
  return {
    preflight: (targets, call) => check(api, targets, zoneOf, explaining, call),
    present: async (challenge, call) => first(await presentAll([challenge], call)),
    cleanup: (challenge, receipt, call) => cleanupAll([{ challenge, receipt }], call),
    presentAll,
    cleanupAll,
    checkPropagation: insyncChecker(api, settings, explaining),
    close: () => Promise.resolve(api.close()),
  };
}

type ZoneOf = (recordName: string, call: Call) => Promise<Zone>;

function zoneLookup(findZone: FindZone, explaining: Explain): ZoneOf {
  return (recordName, { signal }) => {
    const doing = `find the hosted zone of ${recordName}`;
    return explaining({ doing, action: "route53:ListHostedZonesByName" }, signal, () =>
      findZone(recordName, signal),
    );
  };
}

/** Route 53 refuses a second change of a zone while the first is being taken in, so they go one after the other. */
function editor(api: Api, settings: SolverSettings, explaining: Explain) {
  const inTurn = inTurns();
  return (zone: Zone, edits: ReadonlyMap<string, Edit>, { signal }: Call) => {
    const doing = `change the TXT records of ${[...edits.keys()].join(", ")} in hosted zone ${zoneText(zone)}`;
    const attempt = { doing, action: "route53:ChangeResourceRecordSets", zone };
    return inTurn(zone.id, () =>
      explaining(attempt, signal, async () => {
        try {
          return await editRecords(api, zone, edits, settings, signal);
        } catch (error) {
          const adds = [...edits.values()].some(({ add }) => add.length > 0);
          if (adds || codeOf(error) !== "NoSuchHostedZone") throw error;
          settings.log.warn(`hosted zone ${zoneText(zone)} is gone, and its records with it`);
          return new Map<string, string>();
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
  const known = new Map<string, string | undefined>();
  for (const { recordName } of targets) {
    if (recordName === undefined) continue;
    const zone = await zoneOf(recordName, call);
    if (!known.has(zone.id)) {
      const doing = `read the record sets of hosted zone ${zoneText(zone)} for ${recordName}`;
      const attempt = { doing, action: "route53:ListResourceRecordSets", zone };
      const name = await explaining(attempt, call.signal, () => apexOf(api, zone, call.signal));
      known.set(zone.id, zone.name ?? name);
    }
    const name = known.get(zone.id);
    if (name !== undefined && !suffixesOf(recordName).includes(name))
      throw outside(recordName, { id: zone.id, name });
  }
}

/** Sets come by reversed name, so the zone's own stand first; whoever may write may read them, if not the zone. */
async function apexOf(api: Api, { id }: Zone, signal: AbortSignal): Promise<string | undefined> {
  const { sets } = await api.recordSets(id, {}, signal);
  const apex = sets.find(({ Type }) => Type === "SOA")?.Name;
  return apex?.toLowerCase().replace(/\.$/, "");
}

function outside(recordName: string, zone: Zone): Problem {
  return new Problem("config", {
    title: "The hosted zone does not hold the name",
    detail: `Route 53: ${recordName} is not in hosted zone ${zoneText(zone)}, which hostedZoneId names.`,
    hint: "hostedZoneId (AWS_HOSTED_ZONE_ID) is the id of another zone: correct it, or leave it out and let the name decide.",
  });
}

interface Place {
  readonly challenge: Dns01Challenge;
  readonly zone: Zone;
}

function byZone(
  places: readonly Place[],
  what: keyof Edit,
): readonly (readonly [Zone, ReadonlyMap<string, Edit>])[] {
  const zones = Map.groupBy(places, ({ zone }) => zone.id);
  return Array.from(zones.values(), (members) => {
    const names = Map.groupBy(members, ({ challenge }) => challenge.recordName);
    const edits = Array.from(names, ([name, group]) => {
      const values = [...new Set(group.map(({ challenge }) => challenge.recordValue))];
      return [name, { add: [], remove: [], [what]: values }] as const;
    });
    return [first(members).zone, new Map(edits)] as const;
  });
}

function receiptOf(zone: Zone, changeId: string | undefined): Receipt {
  return {
    zoneId: zone.id,
    ...(zone.name === undefined ? {} : { zoneName: zone.name }),
    ...(changeId === undefined ? {} : { changeId }),
  };
}

function zoneIn({ zoneId, zoneName }: Receipt): Zone {
  return zoneName === undefined ? { id: zoneId } : { id: zoneId, name: zoneName };
}

export type Explain = <T>(
  attempt: Omit<Attempt, "asked">,
  signal: AbortSignal,
  work: () => Promise<T>,
) => Promise<T>;

function explainer(asked: Asked): Explain {
  return async (attempt, signal, work) => {
    try {
      return await work();
    } catch (error) {
      throw await problemOf(error, { ...attempt, asked }, signal);
    }
  };
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
