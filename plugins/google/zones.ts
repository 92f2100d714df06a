/** Which managed zone holds a name: the longest one on a label boundary, public unless private ones are allowed. */
import { Problem } from "acmectl/plugin";
import { delegatedOf, once, onceEach, Refusal, suffixesOf } from "acmectl/plugin/http";
import type { Log, Zone as LiveZone } from "acmectl/plugin";
import type { Api, ManagedZone, Page } from "./client.ts";

export interface ZoneChoice {
  readonly zone: string | undefined;
  readonly allowPrivateZone: boolean;
  readonly log: Log;
  /** What the DNS says, to tell two zones of one name apart. */
  findZone(recordName: string): Promise<LiveZone>;
}

/** The name of the managed zone. */
export type FindZone = (recordName: string, signal: AbortSignal) => Promise<string>;

/** None of the zones that the credentials see holds the name. */
export class NoZone extends Problem {}

/** A look-up that asks once what a configured zone is, else once for a small project, else once for each new suffix. */
export function zoneFinder(api: Api, choice: ZoneChoice): FindZone {
  if (choice.zone !== undefined) return configuredZone(api, choice.zone, choice.log);
  const remember = onceEach<Page<ManagedZone>>();
  return async (recordName, signal) => {
    const first = await remember("", () => api.zones({}, signal));
    for (const dnsName of suffixesOf(recordName)) {
      const { items } =
        first.token === undefined
          ? first
          : await remember(dnsName, () => zonesNamed(api, dnsName, signal));
      const named = items.filter((zone) => zone.dnsName === dnsName);
      const fitting = wanted(named, choice);
      if (fitting.length > 0) return choose(recordName, fitting, choice, signal);
      for (const zone of named) choice.log.debug(`passing over ${describe(zone)}`);
    }
    throw noZone(recordName, first, await api.project(signal));
  };
}

function configuredZone(api: Api, zone: string, log: Log): FindZone {
  const dnsNameOf = once((signal) => nameOf(api, zone, log, signal));
  return async (recordName, signal) => {
    const dnsName = await dnsNameOf(signal);
    if (dnsName !== undefined && !suffixesOf(recordName).includes(dnsName))
      throw new NoZone("config", {
        title: "The zone does not hold the name",
        detail: `Solver google: ${recordName} is not in the configured zone ${zone}, which is ${dnsName}`,
        hint: "Leave zone (GCE_ZONE_ID) out, or keep this solver to its zone with select.zones.",
      });
    return zone;
  };
}

/** Undefined for one that is given by its number, and for who may write to it and not list zones. */
async function nameOf(
  api: Api,
  zone: string,
  log: Log,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    for (let token: string | undefined; ;) {
      const page = await api.zones(token === undefined ? {} : { token }, signal);
      const found = page.items.find(({ name }) => name === zone);
      if (found !== undefined || page.token === undefined) return found?.dnsName;
      token = page.token;
    }
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 403) throw error;
    log.debug(`cannot tell which zone ${zone} is: ${error.message}`);
    return undefined;
  }
}

function wanted(zones: readonly ManagedZone[], { allowPrivateZone }: ZoneChoice) {
  const open = zones.filter(({ isPublic }) => isPublic);
  return open.length === 0 && allowPrivateZone ? zones : open;
}

async function zonesNamed(
  api: Api,
  dnsName: string,
  signal: AbortSignal,
): Promise<Page<ManagedZone>> {
  const items: ManagedZone[] = [];
  for (let token: string | undefined; ;) {
    const page = await api.zones({ dnsName, ...(token === undefined ? {} : { token }) }, signal);
    items.push(...page.items);
    token = page.token;
    if (token === undefined) return { items, token };
  }
}

async function choose(
  recordName: string,
  zones: readonly ManagedZone[],
  choice: ZoneChoice,
  signal: AbortSignal,
): Promise<string> {
  const [zone, ...others] =
    zones.length > 1
      ? await delegatedOf({ recordName, zones, nameserversOf, signal }, choice)
      : zones;
  if (zone !== undefined && others.length === 0) return zone.name;
  throw new Problem("config", {
    title: "Several zones could hold the name",
    detail: `Cloud DNS has ${zones.length} managed zones that could hold ${recordName}: ${zones.map(describe).join(", ")}`,
    hint: "Say which one is live with zone (GCE_ZONE_ID), or delete the one that no parent delegates to.",
  });
}

function noZone(recordName: string, { items, token }: Page<ManagedZone>, project: string): NoZone {
  const more = items.length > 20 || token !== undefined ? ", and others" : "";
  const sees =
    items.length === 0 ? "no zone at all" : items.slice(0, 20).map(describe).join(", ") + more;
  const passedOver = items.some((zone) => suffixesOf(recordName).includes(zone.dnsName));
  return new NoZone("config", {
    title: "No managed zone holds the name",
    detail: `No public managed zone of project ${project} holds ${recordName}. These credentials see ${sees}.`,
    hint: passedOver
      ? "The zone that fits is private: a public CA cannot see it. For a private CA set allowPrivateZone (GCE_ALLOW_PRIVATE_ZONE=true)."
      : "Set project (GCE_PROJECT) to the one that has the zone, or delegate the name to a zone here by a CNAME.",
  });
}

function describe({ name, dnsName, isPublic }: ManagedZone): string {
  return `${dnsName} (${name}${isPublic ? "" : ", private"})`;
}

const nameserversOf = ({ nameServers }: ManagedZone) => nameServers;
