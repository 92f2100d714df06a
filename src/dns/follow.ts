import { Problem } from "../problem.ts";
import type { Asking } from "./ask.ts";
import type { Reply } from "./message.ts";
import type { Zones } from "./zone.ts";

/** Longer chains are given up by the resolvers of CAs as well. */
export const mostHops = 16;

/** Follow CNAMEs, asking each zone's own servers where that is wanted and they can be reached, else the resolvers. */
export async function follow(
  start: string,
  asking: Asking,
  zones: Zones,
  signal: AbortSignal,
): Promise<{ readonly name: string }> {
  const seen = [start];
  for (let name = start; ;) {
    const target = targetOf(await cnameReply(name, asking, zones, signal), name);
    if (target === undefined) return { name };
    if (seen.includes(target)) throw endless([...seen, target], "The CNAMEs run in a circle");
    seen.push(target);
    if (seen.length > mostHops + 1) {
      throw endless(seen, `More than ${mostHops} CNAMEs follow each other`);
    }
    name = target;
  }
}

/** Where the name's CNAME points, if the answer has one. */
export function targetOf(reply: Reply, name: string): string | undefined {
  return reply.answers.find((record) => record.type === "CNAME" && record.name === name)?.value;
}

async function cnameReply(
  name: string,
  asking: Asking,
  zones: Zones,
  signal: AbortSignal,
): Promise<Reply> {
  const question = { name, type: "CNAME" } as const;
  if (asking.settings.authoritative) {
    const zone = await zones.find(name, signal);
    const reply = await zones.askZone(zone, question, signal);
    if (reply !== undefined) return reply;
  }
  return asking.askResolvers(question, signal);
}

function endless(names: readonly string[], what: string): Problem {
  return new Problem("config", {
    title: "Unusable CNAME delegation",
    detail: `${what}: ${names.join(" → ")}.`,
    hint: `Point the CNAME of ${names[0]} at a name that ends in a zone of yours.`,
  });
}

/** IPv4 before IPv6, without doubles, as the resolvers tell; CNAMEs are followed. */
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

/** The name at which the answer's chain of CNAMEs ends. */
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
