/** What this machine, the DNS and the CA show before a question is asked. */
import { createServer } from "node:net";
import { join } from "node:path";
import { isEmbedded } from "../acme/presets.ts";
import type { Context } from "../context.ts";
import { openDns } from "../dns/dns.ts";
import { codeOf } from "../errors.ts";
import { withTools } from "../issuer/account.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { variablesOf } from "../options/names.ts";
import { composeIssuer } from "../request/issuer.ts";
import { builtInOptions } from "../solvers/options.ts";
import { certificateFolderName } from "../state/folder/names.ts";
import type { GivenFlags } from "./command-line.ts";
import { type Provider, providerOf } from "./findings/providers.ts";
import { findServers } from "./findings/servers.ts";
import type { FoundServer } from "./findings/site.ts";

export interface Findings {
  readonly servers: readonly FoundServer[];
  readonly port80: PortState;
  readonly credentials: Credentials;
  /** The names of the config's solvers. */
  readonly configured: readonly string[];
  /** Present once it was looked for. */
  readonly zone?: FoundZone | undefined;
  readonly ca?: FoundCa | undefined;
}

export type PortState = "free" | "in use" | "not permitted";

/** By solver, the variables of the environment that have a credential for it. */
type Credentials = Readonly<Record<string, readonly string[]>>;

export interface FoundZone {
  readonly name: string;
  readonly provider?: Provider | undefined;
}

/** What the directory of a CA says of accounts. */
interface FoundCa {
  /** The link to its terms of service. */
  readonly terms?: string | undefined;
  /** It requires an external account binding. */
  readonly bound: boolean;
  readonly website?: string | undefined;
  /** An account with it is stored already. */
  readonly hasAccount: boolean;
}

/** What can be looked for before the first answer. */
export async function lookAround(context: Context): Promise<Findings> {
  const [servers, port80, solvers, config] = await Promise.all([
    findServers(context),
    stateOfPort(80),
    builtInOptions(context.cwd),
    context.config(),
  ]);
  const credentials = credentialsIn(context.env, solvers);
  return { servers, port80, credentials, configured: Object.keys(config.solvers) };
}

/** Whether a server of acmectl's own could listen on the port. It listens for a moment and serves nothing. */
export async function stateOfPort(port: number): Promise<PortState> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error) => {
      resolve(codeOf(error) === "EADDRINUSE" ? "in use" : "not permitted");
    });
    server.listen(port, () => server.close(() => resolve("free")));
  });
}

export function credentialsIn(
  env: Readonly<Record<string, string | undefined>>,
  solvers: Readonly<Record<string, OptionDeclarations>>,
): Credentials {
  const isSet = (name: string) => (env[name] ?? "") !== "";
  const found = Object.entries(solvers).map(([solver, options]) => {
    const names = Object.entries(options)
      .filter(([, { secret }]) => secret === true)
      .flatMap(([option, declaration]) => variablesOf(option, declaration, solver))
      .flatMap((name) => [name, `${name}_FILE`]);
    return [solver, [...new Set([...names, ...(chains[solver] ?? [])])].filter(isSet)] as const;
  });
  return Object.fromEntries(found.filter(([, names]) => names.length > 0));
}

/** What the vendors' own libraries read, beside the options of a solver. */
const chains: Readonly<Record<string, readonly string[]>> = {
  route53: ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"],
  azure: ["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"],
  google: ["GOOGLE_APPLICATION_CREDENTIALS"],
};

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

export async function lookAtCa(given: GivenFlags, context: Context): Promise<FoundCa> {
  const issuer = composeIssuer(given, undefined, await context.config());
  if (isEmbedded(issuer.server)) return { bound: false, hasAccount: true };
  const { accounts } = await context.store();
  const stored = await accounts.ofDirectory(issuer.server);
  const hasAccount = stored.some(
    ({ url, status = "valid" }) => url !== undefined && status === "valid",
  );
  return withTools(issuer, context, async ({ ca }) => {
    const { meta } = await ca.directory(context.signal);
    const { termsOfService: terms, externalAccountRequired: bound, website } = meta;
    return { terms, bound, website, hasAccount };
  });
}

/** Where the current version of a certificate will be; undefined where the state is not a folder. */
export async function ownFolder(
  name: string,
  context: Pick<Context, "statePlace">,
): Promise<string | undefined> {
  const place = await context.statePlace();
  if (place.includes("://")) return undefined;
  return join(place, "certificates", certificateFolderName(name), "current");
}
