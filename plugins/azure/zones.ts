/** Which zone holds a name: the longest one on a label boundary, public unless private ones are asked for. */
import { Problem } from "acmectl/plugin";
import { delegatedOf, once, suffixesOf } from "acmectl/plugin/http";
import type { Log, Zone as LiveZone } from "acmectl/plugin";
import type { Api, ListedZone, Zone } from "./client.ts";

export interface ZoneChoice {
  readonly zone: string | undefined;
  readonly resourceGroup: string | undefined;
  readonly privateZone: boolean;
  readonly log: Log;
  /** What the DNS says, to tell two zones of one name apart. */
  findZone(recordName: string): Promise<LiveZone>;
}

export type FindZone = (recordName: string, signal: AbortSignal) => Promise<Zone>;

/** None of the zones that the identity sees holds the name. */
export class NoZone extends Problem {}

/** A look-up that asks nothing with a configured zone and group, else for all zones, once. */
export function zoneFinder(api: Api, choice: ZoneChoice): FindZone {
  const configured = choice.zone?.toLowerCase().replace(/\.$/, "");
  const kind = choice.privateZone ? "private" : "public";
  const zones = once((signal) => api.zones(kind, signal));
  return async (recordName, signal) => {
    const names = suffixesOf(recordName);
    if (configured !== undefined && !names.includes(configured))
      throw outside(recordName, configured);
    if (configured !== undefined && choice.resourceGroup !== undefined)
      return api.zoneIn(kind, choice.resourceGroup, configured, signal);
    const all = await zones(signal);
    const usable = all.filter(({ isPublic }) => isPublic || choice.privateZone);
    for (const name of configured === undefined ? names : [configured]) {
      const named = usable.filter((zone) => zone.name === name);
      if (named.length > 0) return choose(recordName, named, choice, signal);
    }
    throw await noZone(api, recordName, all, choice, signal);
  };
}

/** The name of the record set, as Azure spells it: relative to its zone. */
export function relativeName(recordName: string, zone: string): string {
  return recordName.toLowerCase() === zone ? "@" : recordName.slice(0, -zone.length - 1);
}

/** For people: the name with its resource group. */
export function zoneText({ id, name }: Zone): string {
  const group = /\/resourceGroups\/([^/]+)\//i.exec(id)?.[1];
  return group === undefined ? name : `${name} (resource group ${group})`;
}

async function choose(
  recordName: string,
  zones: readonly ListedZone[],
  choice: ZoneChoice,
  signal: AbortSignal,
): Promise<Zone> {
  const [zone, ...others] =
    zones.length > 1 && !choice.privateZone
      ? await delegatedOf({ recordName, zones, nameserversOf, signal }, choice)
      : zones;
  if (zone !== undefined && others.length === 0) return zone;
  throw new Problem("config", {
    title: "Several zones could hold the name",
    detail: `Azure has ${zones.length} zones that could hold ${recordName}: ${zones.map(zoneText).join(", ")}`,
    hint: "Say which one is live with resourceGroup (AZURE_RESOURCE_GROUP), or delete the one that no parent delegates to.",
  });
}

async function noZone(
  api: Api,
  recordName: string,
  visible: readonly ListedZone[],
  { privateZone, resourceGroup }: ZoneChoice,
  signal: AbortSignal,
): Promise<NoZone> {
  const more = visible.length > 20 ? `, and ${visible.length - 20} others` : "";
  const sees =
    visible.length === 0 ? "no zone at all" : visible.slice(0, 20).map(zoneText).join(", ") + more;
  const where = resourceGroup === undefined ? "" : ` in resource group ${resourceGroup}`;
  const hidden = privateZone ? [] : await api.zones("private", signal).catch(() => []);
  const passedOver = [...hidden, ...visible.filter(({ isPublic }) => !isPublic)].some(({ name }) =>
    suffixesOf(recordName).includes(name),
  );
  return new NoZone("config", {
    title: "No zone holds the name",
    detail: `No ${privateZone ? "private" : "public"} zone of Azure DNS holds ${recordName}. This identity sees ${sees}${where}.`,
    hint: passedOver
      ? "The zone that fits is private: a public CA cannot see it. For a private CA set privateZone (AZURE_PRIVATE_ZONE=true)."
      : "An identity sees the zones that it has Reader for. Set subscriptionId (AZURE_SUBSCRIPTION_ID) to the one that has the zone, give the identity the role Reader on it, or delegate the name to a zone here by a CNAME.",
  });
}

function outside(recordName: string, zone: string): Problem {
  return new Problem("config", {
    title: "The zone does not hold the name",
    detail: `Solver azure: ${recordName} is not in the configured zone ${zone}`,
    hint: "Leave zone (AZURE_ZONE_NAME) out, or keep this solver to its zone with select.zones.",
  });
}

const nameserversOf = ({ nameServers }: ListedZone) => nameServers;
