/** What acmectl asks of the DNS. It waits for nothing: the only waiting loop is in `issue/`. */
import type { RecordType, Zone } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { openAsking, type DnsSettings } from "./ask.ts";
import { addressesOf, follow, type Followed } from "./follow.ts";
import { lookFor, type Look, type LookOptions, type Wanted } from "./look.ts";
import type { Question, Reply } from "./message.ts";
import { isName, plainName } from "./name.ts";
import { openZones } from "./zone.ts";

export type { DnsSettings } from "./ask.ts";
export type { Question, Reply } from "./message.ts";
export { adviceOn, type Look, type ServerAnswer } from "./look.ts";

export interface Dns {
  /** Follow CNAMEs from `name` to the last name. A loop or too many hops is a Problem. */
  follow(name: string, signal: AbortSignal): Promise<Followed>;
  /** The zone that contains `name`, with its name servers. A Problem if there is none, or if no server answers. */
  findZone(name: string, signal: AbortSignal): Promise<Zone>;
  /** One look, everywhere: is `value`, or one that fits it, among the TXT strings at `name`? Servers that fail are answers, not exceptions. */
  lookForTxt(name: string, value: Wanted, signal: AbortSignal, how?: LookOptions): Promise<Look>;
  /** The same for TLSA records, whose values are as `3 1 1 6a0f…`. */
  lookForTlsa(name: string, value: Wanted, signal: AbortSignal, how?: LookOptions): Promise<Look>;
  /** A and AAAA, for http-01's self-check; empty when the name has none. */
  addresses(host: string, signal: AbortSignal): Promise<readonly string[]>;
  /** What the resolvers answer, failures such as SERVFAIL included; undefined if none of them responds. */
  resolve(question: Question, signal: AbortSignal): Promise<Reply | undefined>;
  /** What the zone's own servers answer; undefined if none of them does. */
  askZone(zone: Zone, question: Question, signal: AbortSignal): Promise<Reply | undefined>;
}

/** The DNS, queried as these settings say. Nothing is sent before the first question; there is nothing to close. */
export function openDns(settings: DnsSettings): Dns {
  const asking = openAsking(settings);
  const addresses = (host: string, signal: AbortSignal) => addressesOf(host, asking, signal);
  const zones = openZones(asking, addresses);
  const looker =
    (type: RecordType) =>
    async (name: string, value: Wanted, signal: AbortSignal, how = { fallBack: false }) =>
      lookFor({ name: checked(name), type }, value, how, asking, zones, signal);
  return {
    follow: async (name, signal) => follow(checked(name), asking, zones, signal),
    findZone: async (name, signal) => zones.find(checked(name), signal),
    lookForTxt: looker("TXT"),
    lookForTlsa: looker("TLSA"),
    addresses: async (host, signal) => addresses(checked(host), signal),
    resolve: (question, signal) => asking.replyOf(question, signal),
    askZone: (zone, question, signal) => zones.askZone(zone, question, signal),
  };
}

function checked(text: string): string {
  const name = plainName(text);
  if (isName(name)) return name;
  throw new Problem("usage", {
    detail: `"${text}" is not a valid DNS name.`,
    hint: "Write a domain name of labels of at most 63 letters, digits and hyphens.",
  });
}
