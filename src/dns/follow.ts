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
): Promise<{ name: string; hops: readonly string[] }> {
  const seen = [start];
  for (let name = start; ;) {
    const target = targetOf(await cnameReply(name, asking, zones, signal), name);
    if (target === undefined) return { name, hops: seen.slice(1) };
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
