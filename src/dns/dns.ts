/** What acmectl asks of the DNS. It waits for nothing: the only waiting loop is in `issue/`. */
import type { Zone } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { openAsking, type DnsSettings } from "./ask.ts";
import { addressesOf, follow } from "./follow.ts";
import { lookForTxt, type Look } from "./look.ts";
import { isName, plainName } from "./name.ts";
import { openZones } from "./zone.ts";

export type { DnsSettings } from "./ask.ts";
export type { Look, ServerAnswer } from "./look.ts";

export interface Dns {
  /** Follow CNAMEs from `name`: the last name, and the hops on the way. A loop or too many hops is a Problem. */
  follow(name: string, signal: AbortSignal): Promise<{ readonly name: string }>;
  /** The zone that holds `name`, with its name servers. A Problem when none does, or when nobody answers. */
  findZone(name: string, signal: AbortSignal): Promise<Zone>;
  /** One look, everywhere: is `value` among the TXT strings at `name`? Servers that fail are answers, not exceptions. */
  lookForTxt(name: string, value: string, signal: AbortSignal): Promise<Look>;
  /** A and AAAA, for http-01's self-check; empty when the name has none. */
  addresses(host: string, signal: AbortSignal): Promise<readonly string[]>;
}

/** The DNS as these settings want it asked. Nothing is sent before the first question; there is nothing to close. */
export function openDns(settings: DnsSettings): Dns {
  const asking = openAsking(settings);
  const addresses = (host: string, signal: AbortSignal) => addressesOf(host, asking, signal);
  const zones = openZones(asking, addresses);
  return {
    follow: async (name, signal) => follow(checked(name), asking, zones, signal),
    findZone: async (name, signal) => zones.find(checked(name), signal),
    lookForTxt: async (name, value, signal) =>
      lookForTxt(checked(name), value, asking, zones, signal),
    addresses: async (host, signal) => addresses(checked(host), signal),
  };
}

function checked(text: string): string {
  const name = plainName(text);
  if (isName(name)) return name;
  throw new Problem("usage", {
    detail: `"${text}" is not a name that the DNS can be asked for.`,
    hint: "Write a domain name of labels of at most 63 letters, digits and hyphens.",
  });
}
