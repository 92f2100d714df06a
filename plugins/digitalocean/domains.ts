/** Which domain holds a name: the longest one on a label boundary that the token sees. */
import { Problem } from "acmectl/plugin";
import { once, suffixesOf } from "acmectl/plugin/http";
import type { Page } from "./client.ts";

export type FindDomain = (recordName: string, signal: AbortSignal) => Promise<string>;

/** A look-up that asks nothing with a configured domain, else for all domains, once. */
export function domainFinder(
  list: (page: number, signal: AbortSignal) => Promise<Page<string>>,
  configured: string | undefined,
): FindDomain {
  if (configured !== undefined)
    return async (recordName) => {
      if (suffixesOf(recordName).includes(configured)) return configured;
      throw outside(recordName, configured);
    };
  const all = once((signal) => everyPage(list, signal));
  return async (recordName, signal) => {
    const names = await all(signal);
    const found = suffixesOf(recordName).find((suffix) => names.includes(suffix));
    if (found === undefined) throw new NoDomain(recordName, names);
    return found;
  };
}

/** The name to write under, as DigitalOcean stores it: relative to its domain. */
export function relativeName(recordName: string, domain: string): string {
  return recordName === domain ? "@" : recordName.slice(0, -domain.length - 1);
}

/** None of the domains that the token sees holds the name. */
export class NoDomain extends Problem {
  constructor(recordName: string, visible: readonly string[]) {
    const more = visible.length > 20 ? `, and ${visible.length - 20} others` : "";
    const sees = visible.length === 0 ? "no domain at all" : visible.slice(0, 20).join(", ") + more;
    super("config", {
      title: "No domain holds the name",
      detail: `No domain at DigitalOcean holds ${recordName}. This token sees ${sees}.`,
      hint: "Use a token (token, DO_AUTH_TOKEN) of the team that has the domain, add the domain under Networking, Domains, or delegate the name to a domain here by a CNAME.",
    });
  }
}

async function everyPage(
  list: (page: number, signal: AbortSignal) => Promise<Page<string>>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (let page = 1; ; page += 1) {
    const { items, more } = await list(page, signal);
    names.push(...items);
    if (!more) return names;
  }
}

function outside(recordName: string, domain: string): Problem {
  return new Problem("config", {
    title: "The domain does not hold the name",
    detail: `Solver digitalocean: ${recordName} is not in the configured domain ${domain}`,
    hint: "Leave domain out, or keep this solver to its zone with select.zones.",
  });
}
