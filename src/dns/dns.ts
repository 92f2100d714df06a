/** What the pipeline asks of the DNS. One implementation, `openDns`; the core owns the only waiting loop, not this. */
import type { Zone } from "../plugin.ts";

export interface DnsSettings {
  /** Recursive resolvers, `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT` or an https URL (DNS over HTTPS, RFC 8484). Empty: the system's. */
  readonly resolvers: readonly string[];
  /** Ask the zone's authoritative servers themselves. False for split horizon: then the resolvers are asked. */
  readonly authoritative: boolean;
  /** Port of authoritative servers; 53 but in tests. */
  readonly authoritativePort: number;
  /** Ask the resolvers too, after the authoritative servers agree. */
  readonly recursive: boolean;
  /** Milliseconds for one question to one server. */
  readonly queryTimeout: number;
  /** For DNS over HTTPS; the global one when absent. */
  readonly fetch?: typeof fetch;
}

export interface Dns {
  /** Follow CNAMEs from `name`: the last name, and the hops on the way. A loop or too many hops is a Problem. */
  follow(
    name: string,
    signal: AbortSignal,
  ): Promise<{ readonly name: string; readonly hops: readonly string[] }>;
  /** The zone that holds `name`, with its name servers. A Problem when none does, or when nobody answers. */
  findZone(name: string, signal: AbortSignal): Promise<Zone>;
  /** One look, everywhere: is `value` among the TXT strings at `name`? Servers that fail are answers, not exceptions. */
  lookForTxt(name: string, value: string, signal: AbortSignal): Promise<Look>;
  /** A and AAAA, for http-01's self-check; empty when the name has none. */
  addresses(host: string, signal: AbortSignal): Promise<readonly string[]>;
}

export interface Look {
  /** Every server that was asked, and that this machine can reach, shows the value. */
  readonly visible: boolean;
  readonly answers: readonly ServerAnswer[];
}

export interface ServerAnswer {
  /** `ns1.example.com (192.0.2.1:53)` */
  readonly server: string;
  readonly role: "authoritative" | "recursive";
  readonly visible: boolean;
  /** TXT strings joined per record, control characters escaped as in zone files. */
  readonly values: readonly string[];
  /** `NOERROR`, `NXDOMAIN`, `timeout`, `REFUSED`, `CNAME to …`. */
  readonly outcome: string;
  /** Answers that waiting will not mend, such as REFUSED from a server that does not serve the zone. */
  readonly final: boolean;
  /** Left out of the verdict: this machine has no route to it (no IPv6), and other servers answered. */
  readonly ignored?: true;
}
