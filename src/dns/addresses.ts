import type { Asking } from "./ask.ts";
import { mostHops } from "./follow.ts";
import type { Reply } from "./message.ts";

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
