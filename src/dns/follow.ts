import { randomBytes } from "node:crypto";
import { Problem } from "../problem.ts";
import type { Asking } from "./ask.ts";
import type { Reply } from "./message.ts";
import { parentOf } from "./name.ts";
import type { Zones } from "./zone.ts";

/** CAs' resolvers stop at about this length as well. */
export const mostHops = 16;

export interface Followed {
  /** The last name of the chain: where the record is written. */
  readonly name: string;
  /** What an operator should know about the way there. */
  readonly warnings: readonly string[];
}

/**
 * Follow CNAMEs, asking each zone's own servers. If they do not answer, the resolvers are asked about the first name alone:
 * of a target that is about to be written they would remember that it does not exist (RFC 2308 §5).
 */
export async function follow(
  start: string,
  asking: Asking,
  zones: Zones,
  signal: AbortSignal,
): Promise<Followed> {
  const seen = [start];
  const warnings: string[] = [];
  for (let name = start; ;) {
    const askZone = await zoneAsker(name, asking, zones, warnings, signal);
    const ask = async (name: string) => (await askZone(name)) ?? askResolvers(name, asking, signal);
    const reply = name === start ? await ask(name) : await askZone(name);
    if (reply === undefined) {
      warnings.push(`the name servers of ${name} do not answer, so it is taken as the last name`);
      return { name, warnings };
    }
    const target = targetOf(reply, name);
    if (target === undefined) return { name, warnings };
    if (await isFromWildcard(name, target, ask)) {
      warnings.push(
        `${name} has a CNAME to ${target} only through a wildcard (*.${parentOf(name)}), so the record is written at ${name} itself`,
      );
      return { name, warnings };
    }
    if (seen.includes(target)) throw endless([...seen, target], "The CNAMEs form a loop");
    seen.push(target);
    if (seen.length > mostHops + 1)
      throw endless(seen, `The chain has more than ${mostHops} CNAMEs`);
    name = target;
  }
}

/** The target of the name's CNAME, if the answer has one. */
export function targetOf(reply: Reply, name: string): string | undefined {
  return reply.answers.find((record) => record.type === "CNAME" && record.name === name)?.value;
}

/** A name that does not exist has the same CNAME if a wildcard made it. An explicit record at the name ends that. */
export async function isFromWildcard(
  name: string,
  target: string,
  ask: (name: string) => Promise<Reply>,
): Promise<boolean> {
  const parent = parentOf(name);
  if (parent === undefined || parent === "") return false;
  const sibling = `acmectl-${randomBytes(8).toString("hex")}.${parent}`;
  return targetOf(await ask(sibling), sibling) === target;
}

/** How to ask the servers of the name's zone for names in it; they answer nothing if the zone is not found. */
async function zoneAsker(
  name: string,
  asking: Asking,
  zones: Zones,
  warnings: string[],
  signal: AbortSignal,
): Promise<(name: string) => Promise<Reply | undefined>> {
  const zone = await zones.find(name, signal).catch((error: unknown) => {
    // A domain that does not exist is an error; servers that do not answer SOA and NS are not.
    if (!Problem.is(error) || error.is("config")) throw error;
    if (asking.settings.authoritative)
      warnings.push(
        `the zone of ${name} was not found, so the resolvers are asked: ${error.message}`,
      );
    return undefined;
  });
  if (zone === undefined) return () => Promise.resolve(undefined);
  // TXT first: some load balancers answer only the types that they serve, and the CNAME is in each answer. BIND fails on TXT
  // where the CNAMEs form a loop.
  const ask = (name: string, type: "TXT" | "CNAME") => zones.askZone(zone, { name, type }, signal);
  return async (name) => (await ask(name, "TXT")) ?? ask(name, "CNAME");
}

async function askResolvers(name: string, asking: Asking, signal: AbortSignal): Promise<Reply> {
  try {
    return await asking.askResolvers({ name, type: "CNAME" }, signal);
  } catch (error) {
    if (!Problem.is(error)) throw error;
    throw error.with({
      hint: `If ${name} has no CNAME, skip this look-up with --dns-cname none. Else check the network and the zone's delegation, or give other resolvers with --dns-resolvers.`,
    });
  }
}

function endless(names: readonly string[], what: string): Problem {
  return new Problem("config", {
    title: "Unusable CNAME delegation",
    detail: `${what}: ${names.join(" → ")}.`,
    hint: `Point the CNAME of ${names[0]} to a name in a zone of yours.`,
  });
}

/** IPv4 before IPv6, without duplicates, as the resolvers answer; CNAMEs are followed. */
export async function addressesOf(
  host: string,
  asking: Asking,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const [v4, v6] = await Promise.all([
    addressesIn(host, "A", asking, signal),
    addressesIn(host, "AAAA", asking, signal),
  ]);
  return [...new Set([...v4, ...v6])];
}

async function addressesIn(
  host: string,
  type: "A" | "AAAA",
  asking: Asking,
  signal: AbortSignal,
): Promise<readonly string[]> {
  let name = host;
  for (let hop = 0; hop <= mostHops; hop++) {
    const reply = await asking.askResolvers({ name, type }, signal);
    const end = lastOf(reply, name);
    const found = reply.answers.filter((record) => record.type === type && record.name === end);
    if (found.length > 0) return found.map(({ value }) => value);
    // A resolver follows by itself; a server that is only authoritative stops at the end of its zone.
    if (end === name) return [];
    name = end;
  }
  return [];
}

/** The last name in the answer's chain of CNAMEs. */
export function lastOf({ answers }: Reply, start: string): string {
  const targets = new Map(
    answers.filter(({ type }) => type === "CNAME").map(({ name, value }) => [name, value]),
  );
  let name = start;
  for (let hop = 0; hop < mostHops; hop++) {
    const target = targets.get(name);
    if (target === undefined) break;
    name = target;
  }
  return name;
}
