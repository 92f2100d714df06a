import { Problem } from "../problem.ts";
import { addressesOf } from "./addresses.ts";
import { openAsking } from "./ask.ts";
import type { Dns, DnsSettings } from "./dns.ts";
import { follow } from "./follow.ts";
import { lookForTxt } from "./look.ts";
import { isName, plainName } from "./name.ts";
import { openZones } from "./zone.ts";

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
