import type { Zone } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { isAnswer, type Asking } from "./ask.ts";
import { remembered } from "./remember.ts";
import type { Question, Reply } from "./message.ts";
import { isWithin, parentOf } from "./name.ts";

export interface NameServerAddress {
  readonly host: string;
  readonly address: string;
}

export interface Zones {
  /** The zone that holds the name; a Problem when there is none. */
  find(name: string, signal: AbortSignal): Promise<Zone>;
  /** Every address of every name server of the zone; hosts without any are in `lost`. */
  servers(zone: Zone, signal: AbortSignal): Promise<ZoneServers>;
  /** The first usable answer of the zone's own servers; undefined when none of them can be reached. */
  askZone(zone: Zone, question: Question, signal: AbortSignal): Promise<Reply | undefined>;
}

export interface ZoneServers {
  readonly found: readonly NameServerAddress[];
  readonly lost: readonly string[];
}

/** Delegations and addresses are asked for again after a minute. */
const memory = 60_000;
const mostHosts = 20;
const mostAddresses = 8;
const mostChildren = 10;

/**
 * Zone discovery. The climb over the resolvers starts above the underscore labels, and the zone's own servers tell the
 * rest: a resolver that was asked for `_acme-challenge` too early would remember that it does not exist (RFC 2308 §5).
 */
export function openZones(
  asking: Asking,
  addresses: (host: string, signal: AbortSignal) => Promise<readonly string[]>,
): Zones {
  const isApex = remembered(memory, (name, signal) => apexAt(asking, name, signal));
  const nameservers = remembered(memory, (zone, signal) => nameserversOf(asking, zone, signal));
  const servers = remembered(memory, async (hosts, signal): Promise<ZoneServers> => {
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
  });
  const zones: Zones = {
    find: remembered(memory, async (name, signal) => {
      const direct = asking.settings.authoritative;
      const from = direct ? name.replace(/^(?:_[^.]*\.)+/, "") : name;
      const { apex, certain } = await climb(isApex, from, name, direct, signal);
      const zone = { name: apex, nameservers: await nameservers(apex, signal) };
      if (certain && (!direct || from === name)) return zone;
      return descend(zones, nameservers, name, zone, signal);
    }),
    servers: (zone, signal) => servers(zone.nameservers.slice(0, mostHosts).join(" "), signal),
    async askZone(zone, question, signal) {
      const port = asking.settings.authoritativePort;
      for (const { address } of (await zones.servers(zone, signal)).found) {
        const server = { kind: "plain", address, port } as const;
        const { reply } = await asking.ask(server, question, false, signal);
        if (reply !== undefined && speaksFor(reply, zone.name)) return reply;
      }
      return undefined;
    },
  };
  return zones;
}

/** An answer with authority, or a referral to a child; a server that only repeats what others say is passed over. */
function speaksFor(reply: Reply, zone: string): boolean {
  if (!isAnswer(reply)) return false;
  return (
    reply.authoritative ||
    reply.authorities.some(({ type, name }) => type === "NS" && name.endsWith(`.${zone}`))
  );
}

/** What stands at the name when its SOA is asked for: an apex, something else, or a server that does not serve it. */
async function apexAt(
  asking: Asking,
  name: string,
  signal: AbortSignal,
): Promise<"apex" | "other" | "refused"> {
  const reply = await asking.askResolvers({ name, type: "SOA" }, signal);
  if (reply.rcode === "REFUSED") return "refused";
  // A CNAME's answer may carry the SOA of its target: the owner tells.
  const own = reply.answers.some((record) => record.type === "SOA" && record.name === name);
  return own ? "apex" : "other";
}

/**
 * The nearest apex at or above `from`. Resolvers fail on a name whose CNAME leads nowhere: then the climb goes on, not
 * certain that no zone was passed, if the zone's own servers can be asked about it afterwards.
 */
async function climb(
  isApex: (name: string, signal: AbortSignal) => Promise<"apex" | "other" | "refused">,
  from: string,
  name: string,
  mayFail: boolean,
  signal: AbortSignal,
): Promise<{ apex: string; certain: boolean }> {
  let refused = true;
  const failures: Problem[] = [];
  for (let at: string | undefined = from; at !== undefined && at !== ""; at = parentOf(at)) {
    const found = await isApex(at, signal).catch((error: unknown) => {
      if (!mayFail || !Problem.is(error)) throw error;
      failures.push(error);
      // Who does not answer once will not answer for the parent either.
      if (failures.length > 1) throw failures[0];
      return "other" as const;
    });
    if (found === "apex") return { apex: at, certain: failures.length === 0 };
    refused &&= found === "refused";
  }
  if (failures[0] !== undefined) throw failures[0];
  throw new Problem("config", {
    title: "No DNS zone for the name",
    detail: refused
      ? `The DNS resolvers refuse to answer for ${name}: no zone could be found for it.`
      : `No DNS zone holds ${name}: neither it nor any name above it has a SOA record.`,
    hint: refused
      ? "Give recursive resolvers that answer this machine with --dns-resolvers."
      : "Check the spelling of the domain, and that it is registered and delegated.",
  });
}

async function nameserversOf(
  asking: Asking,
  zone: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { answers, authorities } = await asking.askResolvers({ name: zone, type: "NS" }, signal);
  // A server that is only authoritative for the parent refers to the child's servers.
  for (const section of [answers, authorities]) {
    const hosts = section.filter(({ type, name }) => type === "NS" && name === zone);
    if (hosts.length > 0) return [...new Set(hosts.map(({ value }) => value))].toSorted();
  }
  throw new Problem("network", {
    detail: `The zone ${zone} has no NS records that the DNS resolvers know.`,
    hint: "Check the zone's delegation, or ask the resolvers alone with --no-dns-authoritative.",
  });
}

/** From a zone to the child zone that holds the name, as the zone's own servers see it. */
async function descend(
  zones: Zones,
  nameservers: (zone: string, signal: AbortSignal) => Promise<readonly string[]>,
  name: string,
  start: Zone,
  signal: AbortSignal,
): Promise<Zone> {
  let zone = start;
  for (let depth = 0; depth < mostChildren; depth++) {
    const reply = await zones.askZone(zone, { name, type: "SOA" }, signal);
    const child = reply && childIn(reply, name, zone.name);
    if (child === undefined || child === zone.name) return zone;
    zone = { name: child, nameservers: await nameservers(child, signal) };
  }
  return zone;
}

function childIn(reply: Reply, name: string, zone: string): string | undefined {
  if (reply.answers.length > 0) {
    const own = reply.answers.some((record) => record.type === "SOA" && record.name === name);
    return own && reply.authoritative ? name : undefined;
  }
  // NXDOMAIN or NODATA names the zone that says so; a referral names the child.
  const type = reply.authoritative ? "SOA" : "NS";
  const record = reply.authorities.find((authority) => authority.type === type);
  const owner = record?.name;
  return owner !== undefined && isWithin(name, owner) && isWithin(owner, zone) ? owner : undefined;
}
