import type { Zone } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { isAnswer, type Asking } from "./ask.ts";
import type { Question, Reply } from "./message.ts";
import { isWithin, parentOf } from "./name.ts";
import { remembered } from "./remember.ts";

export interface NameServerAddress {
  readonly host: string;
  readonly address: string;
}

export interface Zones {
  /** The zone that contains the name; a Problem if there is none. */
  find(name: string, signal: AbortSignal): Promise<Zone>;
  /** Every address of every name server of the zone; hosts without any are in `lost`. */
  servers(zone: Zone, signal: AbortSignal): Promise<ZoneServers>;
  /** The first usable answer of the zone's own servers; undefined if none of them answers. */
  askZone(zone: Zone, question: Question, signal: AbortSignal): Promise<Reply | undefined>;
}

export interface ZoneServers {
  readonly found: readonly NameServerAddress[];
  readonly lost: readonly string[];
}

type NameServers = (zone: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Delegations and addresses are asked for again after a minute. */
const memory = 60_000;
const mostHosts = 20;
const mostAddresses = 8;
const mostChildren = 10;

/**
 * Zones are found from above: resolvers are asked about names above the record, and the zone's own servers about the record.
 * A resolver that is asked for a record before it is written remembers that it does not exist (RFC 2308 §5).
 */
export function openZones(
  asking: Asking,
  addresses: (host: string, signal: AbortSignal) => Promise<readonly string[]>,
): Zones {
  const apexes = remembered(memory, (name, signal) => apexAt(asking, name, signal));
  const nameservers = remembered(memory, (zone, signal) => nameserversOf(asking, zone, signal));
  const servers = remembered(memory, (hosts, signal) => serversOf(hosts, addresses, signal));
  const silent = new Set<string>();
  const zones: Zones = {
    find: remembered(memory, async (name, signal) => {
      const apex = await climb(apexes, name, signal);
      const zone = { name: apex, nameservers: await nameservers(apex, signal) };
      return descend(zones, nameservers, name, zone, signal);
    }),
    servers: (zone, signal) => servers(zone.nameservers.slice(0, mostHosts).join(" "), signal),
    async askZone(zone, question, signal) {
      const port = asking.settings.authoritativePort;
      const { found } = await zones.servers(zone, signal);
      const ask = async ({ address }: NameServerAddress) => {
        const server = { kind: "plain", address, port } as const;
        const { reply } = await asking.ask(server, question, false, signal);
        if (reply === undefined) silent.add(address);
        return reply !== undefined && speaksFor(reply, zone.name) ? reply : undefined;
      };
      const [first, ...others] = found.toSorted(
        (one, other) => Number(silent.has(one.address)) - Number(silent.has(other.address)),
      );
      const known = first !== undefined && silent.has(first.address);
      const reply = first && !known ? await ask(first) : undefined;
      if (reply !== undefined) return reply;
      // All at once, so that several dead servers cost the time of one.
      const replies = await Promise.all((known ? found : others).map(ask));
      return replies.find((one) => one !== undefined);
    },
  };
  return zones;
}

async function serversOf(
  hosts: string,
  addresses: (host: string, signal: AbortSignal) => Promise<readonly string[]>,
  signal: AbortSignal,
): Promise<ZoneServers> {
  const names = hosts.split(" ").filter((host) => host !== "");
  const found = await Promise.all(
    names.map(async (host) => {
      const all = await addresses(host, signal).catch((error: unknown) => {
        if (Problem.is(error)) return [];
        throw error;
      });
      return { host, all: all.slice(0, mostAddresses) };
    }),
  );
  return {
    found: found.flatMap(({ host, all }) => all.map((address) => ({ host, address }))),
    lost: found.filter(({ all }) => all.length === 0).map(({ host }) => host),
  };
}

/** An authoritative answer, or a referral to a child zone. */
function speaksFor(reply: Reply, zone: string): boolean {
  const isReferral = reply.authorities.some(
    ({ type, name }) => type === "NS" && name.endsWith(`.${zone}`),
  );
  return isAnswer(reply) && (reply.authoritative || isReferral);
}

type Found = "apex" | "other" | "refused";

/** What the SOA query at the name shows: an apex, another name, or a server that does not serve it. */
async function apexAt(asking: Asking, name: string, signal: AbortSignal): Promise<Found> {
  const reply = await asking.askResolvers({ name, type: "SOA" }, signal);
  if (reply.rcode === "REFUSED") return "refused";
  // The answer for a CNAME may have the SOA of its target, with another owner.
  const own = reply.answers.some((record) => record.type === "SOA" && record.name === name);
  return own ? "apex" : "other";
}

/** The nearest apex above the record. Names at which the resolvers fail (load balancers that refuse SOA) are passed over. */
async function climb(
  apexes: (name: string, signal: AbortSignal) => Promise<Found>,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const names = namesAbove(name);
  const find = (at: string) =>
    apexes(at, signal).catch((error: unknown) => {
      if (Problem.is(error)) return error;
      throw error;
    });
  const found: (Found | Problem)[] = [];
  for (const [index, at] of names.entries()) {
    // After a failure all others at once, so that dead resolvers cost the time of one more question.
    const ahead = Problem.is(found.at(-1)) && names.slice(index).map(find);
    const here = await (ahead ? Promise.all(ahead) : find(at).then((one) => [one]));
    const apex = here.indexOf("apex");
    if (apex !== -1) return names[index + apex] ?? at;
    found.push(...here);
    if (ahead) break;
  }
  // A record at the apex itself exists, so that asking for it does no harm.
  const failure = found.find((one) => Problem.is(one));
  if (failure === undefined && (await find(name)) === "apex") return name;
  const isRefused = found.every((one) => one === "refused");
  throw failure ?? noZone(name, isRefused);
}

/** The names above a record, nearest first, without the root. Labels with an underscore belong to the record. */
function namesAbove(name: string): string[] {
  const host = name.replace(/^(?:_[^.]*\.)+/, "");
  const names = [];
  let at = host === name ? parentOf(name) : host;
  for (; at !== undefined && at !== ""; at = parentOf(at)) names.push(at);
  return names;
}

function noZone(name: string, refused: boolean): Problem {
  return new Problem("config", {
    title: "No DNS zone for the name",
    detail: refused
      ? `The DNS resolvers refuse to answer for ${name}, so its zone was not found.`
      : `No DNS zone contains ${name}: no name above it has an SOA record.`,
    hint: refused
      ? "Give recursive resolvers that answer this machine with --dns-resolvers."
      : "Check the spelling of the domain, and that it is registered and delegated. To write the record without looking up its zone: --dns-cname none and --no-dns-authoritative.",
  });
}

async function nameserversOf(
  asking: Asking,
  zone: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const reply = await asking.askResolvers({ name: zone, type: "NS" }, signal);
  const hosts = hostsIn(reply, zone);
  if (hosts.length > 0) return hosts;
  throw new Problem("network", {
    detail: `The DNS resolvers return no NS records for the zone ${zone}.`,
    hint: "Check the zone's delegation, or query only the resolvers with --no-dns-authoritative.",
  });
}

/** From the answer, or from the referral of a server that is only authoritative for the parent. */
function hostsIn({ answers, authorities }: Reply, zone: string): readonly string[] {
  for (const section of [answers, authorities]) {
    const hosts = section.filter(({ type, name }) => type === "NS" && name === zone);
    if (hosts.length > 0) return [...new Set(hosts.map(({ value }) => value))].toSorted();
  }
  return [];
}

/** From a zone to the child zone that contains the name, as the zone's own servers see it. */
async function descend(
  zones: Zones,
  nameservers: NameServers,
  name: string,
  start: Zone,
  signal: AbortSignal,
): Promise<Zone> {
  let zone = start;
  for (let depth = 0; depth < mostChildren; depth++) {
    const reply = await zones.askZone(zone, { name, type: "SOA" }, signal);
    const child = reply && childIn(reply, name, zone.name);
    if (reply === undefined || child === undefined || child === zone.name) return zone;
    const hosts = await nameservers(child, signal).catch((error: unknown) => {
      // Some load balancers do not answer NS queries; the parent's referral has the servers.
      const referred = hostsIn(reply, child);
      if (referred.length > 0 && Problem.is(error)) return referred;
      throw error;
    });
    zone = { name: child, nameservers: hosts };
  }
  return zone;
}

function childIn(reply: Reply, name: string, zone: string): string | undefined {
  if (reply.answers.length > 0) {
    const own = reply.answers.some((record) => record.type === "SOA" && record.name === name);
    return own && reply.authoritative ? name : undefined;
  }
  // NXDOMAIN or NODATA has the SOA of the zone; a referral has the child's NS.
  const type = reply.authoritative ? "SOA" : "NS";
  const owner = reply.authorities.find((authority) => authority.type === type)?.name;
  return owner !== undefined && isWithin(name, owner) && isWithin(owner, zone) ? owner : undefined;
}
