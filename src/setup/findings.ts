/** What this machine, the DNS and the CA show before a question is asked. */
import type { Context } from "../context.ts";
import { openDns } from "../dns/dns.ts";
import { builtInOptions } from "../solvers/options.ts";
import type { FoundCa } from "./findings/ca.ts";
import { type Credentials, credentialsIn } from "./findings/credentials.ts";
import { type PortState, stateOfPort } from "./findings/port.ts";
import { type Provider, providerOf } from "./findings/providers.ts";
import type { FoundServer } from "./findings/server.ts";
import { findServers } from "./findings/servers.ts";

export interface Findings {
  readonly servers: readonly FoundServer[];
  readonly port80: PortState;
  readonly credentials: Credentials;
  readonly zone?: FoundZone | undefined;
  readonly ca?: FoundCa | undefined;
}

export interface FoundZone {
  readonly name: string;
  readonly provider?: Provider | undefined;
}

/** What can be looked for before the first answer. */
export async function lookAround(context: Context): Promise<Findings> {
  const [servers, port80, solvers] = await Promise.all([
    findServers(context),
    stateOfPort(80),
    builtInOptions(context.cwd),
  ]);
  return { servers, port80, credentials: credentialsIn(context.env, solvers) };
}

/** The zone of a name; undefined where the DNS shows none in a few seconds. */
export async function lookForZone(
  name: string,
  resolvers: readonly string[],
  context: Context,
): Promise<FoundZone | undefined> {
  const queries = { authoritative: true, recursive: false, authoritativePort: 53 };
  const dns = openDns({ ...queries, resolvers, queryTimeout: 2_000 });
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(mostTime)]);
  const zone = await dns.findZone(name.replace(/^\*\./u, ""), signal).catch(() => undefined);
  context.signal.throwIfAborted();
  return zone && { name: zone.name, provider: providerOf(zone.nameservers) };
}

/** Milliseconds that a person waits without missing what the DNS would have shown. */
const mostTime = 6_000;
