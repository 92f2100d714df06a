/** Which hosted zone holds a name: the longest one on a label boundary, public unless private ones are asked for. */
import { Problem } from "acmectl/plugin";
import { delegatedOf, onceEach, suffixesOf } from "acmectl/plugin/http";
import type { Log, Zone as LiveZone } from "acmectl/plugin";
import type { Api, HostedZone, ZonePage } from "./client.ts";
import { codeOf } from "./answer.ts";

export interface Zone {
  /** Without `/hostedzone/`. */
  readonly id: string;
  /** Without the trailing dot; absent when only the id was configured. */
  readonly name?: string;
}

export interface ZoneChoice {
  readonly hostedZoneId: string | undefined;
  readonly privateZone: boolean;
  readonly log: Log;
  /** What the DNS says, to tell two zones of one name apart. */
  findZone(recordName: string): Promise<LiveZone>;
}

export type FindZone = (recordName: string, signal: AbortSignal) => Promise<Zone>;

/** A look-up that asks Route 53 as little as possible: not at all with a configured id, else once for up to 100 zones. */
export function zoneFinder(api: Api, choice: ZoneChoice): FindZone {
  const id = choice.hostedZoneId?.replace(/^\/?hostedzone\//, "");
  if (id !== undefined) return () => Promise.resolve({ id });
  const remember = onceEach<readonly HostedZone[]>();
  let all: boolean | undefined;
  return async (recordName, signal) => {
    const first = await remember("", async () => {
      const listing = await listZones(api, choice.log, signal);
      all = listing.all;
      return listing.zones;
    });
    for (const candidate of suffixesOf(recordName)) {
      const zones = all
        ? first
        : await remember(candidate, () => zonesNamed(api, candidate, signal));
      const matches = zones.filter((zone) => nameOf(zone) === candidate);
      const fitting = matches.filter((zone) => isPrivate(zone) === choice.privateZone);
      if (fitting.length > 0) return choose(api, choice, recordName, fitting, signal);
      for (const zone of matches) choice.log.debug(`passing over ${describe(zone)}`);
    }
    throw noZone(recordName, first, choice.privateZone);
  };
}

interface Listing {
  readonly zones: readonly HostedZone[];
  /** False when the account has more. */
  readonly all: boolean;
}

/** cert-manager's and lego's policies allow ListHostedZonesByName, certbot's only ListHostedZones: either will do. */
async function listZones(api: Api, log: Log, signal: AbortSignal): Promise<Listing> {
  try {
    const { zones, next } = await api.zonesByName({}, signal);
    return { zones, all: next === undefined };
  } catch (refusal) {
    if (codeOf(refusal) !== "AccessDenied") throw refusal;
    log.debug("ListHostedZonesByName is not allowed; trying ListHostedZones");
    const zones: HostedZone[] = [];
    let next: ZonePage["next"] = {};
    while (next !== undefined) {
      const page: ZonePage = await api.zones(next, signal).catch((error: unknown) => {
        throw codeOf(error) === "AccessDenied" ? refusal : error;
      });
      zones.push(...page.zones);
      next = page.next;
    }
    return { zones, all: true };
  }
}

/** The listing starts at the name, so later names come along, and twins may stand on further pages. */
async function zonesNamed(
  api: Api,
  name: string,
  signal: AbortSignal,
): Promise<readonly HostedZone[]> {
  const zones: HostedZone[] = [];
  let next: ZonePage["next"] = { name };
  while (next !== undefined) {
    const page: ZonePage = await api.zonesByName(next, signal);
    zones.push(...page.zones.filter((zone) => nameOf(zone) === name));
    next = page.next?.name?.replace(/\.$/, "") === name ? page.next : undefined;
  }
  return zones;
}

async function choose(
  api: Api,
  choice: ZoneChoice,
  recordName: string,
  zones: readonly HostedZone[],
  signal: AbortSignal,
): Promise<Zone> {
  const nameserversOf = (zone: HostedZone) => api.nameservers(idOf(zone), signal);
  const [zone, ...others] =
    zones.length > 1 && !choice.privateZone
      ? await delegatedOf({ recordName, zones, nameserversOf, signal }, choice)
      : zones;
  if (zone === undefined || others.length > 0) throw twins(recordName, zones);
  return { id: idOf(zone), name: nameOf(zone) };
}

function twins(recordName: string, zones: readonly HostedZone[]): Problem {
  const kind = zones.some(isPrivate) ? "private" : "public";
  return new Problem("config", {
    detail: `Route 53 has ${zones.length} ${kind} hosted zones that could hold ${recordName}: ${zones.map(describe).join(", ")}`,
    hint: "Say which one is live with hostedZoneId (AWS_HOSTED_ZONE_ID), or delete the one that no parent delegates to.",
  });
}

function noZone(recordName: string, visible: readonly HostedZone[], privateZone: boolean): Problem {
  const shown = visible.slice(0, 20).map(describe).join(", ");
  const more = visible.length > 20 ? `, and ${visible.length - 20} or more others` : "";
  const wanted = privateZone ? "private" : "public";
  const passedOver = visible.some(
    (zone) => isPrivate(zone) !== privateZone && suffixesOf(recordName).includes(nameOf(zone)),
  );
  return new Problem("config", {
    title: "No hosted zone holds the name",
    detail: `No ${wanted} hosted zone of Route 53 holds ${recordName}. These credentials see ${visible.length === 0 ? "no hosted zone at all" : shown + more}.`,
    hint: passedOver
      ? `The zone that fits is ${privateZone ? "public" : "private"}: ${privateZone ? "leave privateZone (AWS_PRIVATE_ZONE) out" : "a public CA cannot see it; for a private CA set privateZone (AWS_PRIVATE_ZONE=true)"}.`
      : "Use the credentials of the account that has the zone (AWS_PROFILE, or assumeRoleArn), or delegate the name to this account by a CNAME.",
  });
}

const plain = (name: string) => name.toLowerCase().replace(/\.$/, "");
const nameOf = (zone: HostedZone) => plain(zone.Name ?? "");
const idOf = (zone: HostedZone) => (zone.Id ?? "").replace(/^\/hostedzone\//, "");
const isPrivate = (zone: HostedZone) => zone.Config?.PrivateZone === true;
const describe = (zone: HostedZone) =>
  `${nameOf(zone)} (${idOf(zone)}${isPrivate(zone) ? ", private" : ""})`;
