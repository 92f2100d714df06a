import { KeyObject } from "node:crypto";
import { once } from "node:events";
import https from "node:https";
import { isIP, type AddressInfo } from "node:net";
import { hostname } from "node:os";
import {
  chainsOf,
  createAuthority,
  generateKeys,
  identifierOf,
  issueLeaf,
  lifetime,
  type Authority,
} from "./authority/authority.ts";
import { openAuthority } from "./authority/folder.ts";
import { createFaults, type Faults } from "./server/faults.ts";
import { createNonces, type Settings, type State } from "./state.ts";
import type { Profile, RenewalInfo } from "./types.ts";
import type { RequestRecord } from "./server/records.ts";
import { createListener } from "./server/server.ts";

export type { ArmedFault, Fault, FaultAction, Faults } from "./server/faults.ts";
export { UnreadableAuthority } from "./authority/unreadable.ts";
export type { ProblemJson } from "./acme-problem.ts";
export type { RequestRecord } from "./server/records.ts";
export type { Profile, RenewalInfo, ResourceKind } from "./types.ts";

/** How the CA listens, validates and issues; everything has a default. */
export interface TestCaOptions {
  /** Address to listen on; default 127.0.0.1. With 0.0.0.0 or :: the URLs name this machine's host name. */
  readonly host?: string | undefined;
  /** Default 0: one that is free. */
  readonly port?: number | undefined;
  /** Where the roots and the issuing key are stored (0600 in 0700); absent: in memory. */
  readonly folder?: string | undefined;
  /** Port of http-01; default 80. */
  readonly httpPort?: number | undefined;
  /** Port of tls-alpn-01; default 443. */
  readonly tlsPort?: number | undefined;
  /**
   * "127.0.0.1:5353": the DNS server asked for TXT (dns-01), A and AAAA. Absent: every host is on loopback, and dns-01 asks
   * the system's resolvers.
   */
  readonly resolver?: string | undefined;
  /** External accounts: key identifier to HMAC key (base64url). */
  readonly eab?: Readonly<Record<string, string>> | undefined;
  /** Default: whether `eab` is given. */
  readonly requireEab?: boolean | undefined;
  /** Name to description and validity in milliseconds, the default one first. */
  readonly profiles?: Readonly<Record<string, Profile>> | undefined;
  /** URL; when given, accounts must agree. */
  readonly termsOfService?: string | undefined;
  /** Share of good nonces to reject, 0 to 1; default 0. */
  readonly badNonceRate?: number | undefined;
  /** Milliseconds that a valid authorization is reused; default 30 days, 0 for never. */
  readonly authorizationReuse?: number | undefined;
  /**
   * Validate and issue in the background, with `processing` states and Retry-After meanwhile: `delay` in milliseconds
   * (default 50), `retryAfter` in seconds (default 1). Default: done within the request.
   */
  readonly asynchronous?:
    | boolean
    | { readonly delay?: number; readonly retryAfter?: number }
    | undefined;
  readonly now?: (() => Date) | undefined;
  /** Gets a line for each request, refusal and validation. */
  readonly log?: ((line: string) => void) | undefined;
}

/** A running CA. */
export interface TestCa {
  readonly directoryUrl: string;
  /** Trust anchor of the CA's own TLS certificate and of what it issues. */
  readonly rootPem: string;
  /** The root of the alternate chain. */
  readonly alternateRootPem: string;
  /** Every request so far, in order of arrival; the last 10,000 of them. */
  readonly requests: readonly RequestRecord[];
  readonly faults: Faults;
  /** Sets the ARI window of this certificate (RFC 9773 §4.1) from now on. */
  setRenewalInfo(certificateId: string, info: RenewalInfo): void;
  /** Stops listening and ends open connections. */
  close(): Promise<void>;
}

/**
 * Starts an ACME CA (RFC 8555, 8737, 8738, 9773 and profiles) for trying and testing: it validates for real, and
 * its root is trusted only where it was installed. Rejects as `listen` does, with `UnreadableAuthority` for broken keys in the
 * folder, and as the file system does for an unusable folder.
 */
export async function startTestCa(options: TestCaOptions = {}): Promise<TestCa> {
  const settings = withDefaults(options);
  const host = options.host ?? "127.0.0.1";
  const authority =
    options.folder === undefined
      ? await createAuthority(settings.now())
      : await openAuthority(options.folder, settings.now());
  const server = https.createServer({
    ...(await serverCertificate(authority, host, settings.now())),
    keepAliveTimeout: 30_000,
  });
  await listen(server, options.port ?? 0, host);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port was bound");
  const closing = new AbortController();
  const state = createState(settings, authority, options, baseUrl(host, address), closing.signal);
  const faults = createFaults();
  const requests: RequestRecord[] = [];
  const listener = createListener(state, faults, requests);
  server.on("request", (request, response) => void listener(request, response));
  // For example EMFILE at a new connection; without a listener it would end the process.
  server.on("error", (error) => settings.log(`A connection failed: ${error.message}`));
  return {
    directoryUrl: `${state.base}/directory`,
    rootPem: `${authority.root.certificate.toString("pem")}\n`,
    alternateRootPem: `${authority.alternateRoot.certificate.toString("pem")}\n`,
    requests,
    faults,
    setRenewalInfo: (certificateId, info) => void state.renewalInfo.set(certificateId, info),
    async close() {
      closing.abort();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const day = 24 * 3_600_000;

const usualProfiles: Readonly<Record<string, Profile>> = {
  classic: { description: "90 days, as most CAs issue", validity: 90 * day },
  tlsserver: { description: "45 days", validity: 45 * day },
  shortlived: { description: "160 hours", validity: 160 * 3_600_000 },
};

function withDefaults(options: TestCaOptions): Settings {
  return {
    httpPort: options.httpPort ?? 80,
    tlsPort: options.tlsPort ?? 443,
    resolver: options.resolver,
    eab: options.eab ?? {},
    requireEab: options.requireEab ?? options.eab !== undefined,
    profiles: options.profiles ?? usualProfiles,
    termsOfService: options.termsOfService,
    authorizationReuse: options.authorizationReuse ?? 30 * day,
    asynchronous: background(options.asynchronous),
    now: options.now ?? (() => new Date()),
    log: options.log ?? (() => undefined),
  };
}

function background(asynchronous: TestCaOptions["asynchronous"]): Settings["asynchronous"] {
  if (asynchronous === undefined || asynchronous === false) return undefined;
  const given = asynchronous === true ? {} : asynchronous;
  return { delay: given.delay ?? 50, retryAfter: given.retryAfter ?? 1 };
}

function createState(
  settings: Settings,
  authority: Authority,
  options: TestCaOptions,
  base: string,
  signal: AbortSignal,
): State {
  return {
    base,
    settings,
    authority,
    nonces: createNonces(options.badNonceRate ?? 0),
    signal,
    accounts: new Map(),
    orders: new Map(),
    authorizations: new Map(),
    challenges: new Map(),
    certificates: new Map(),
    renewalInfo: new Map(),
    compromised: new Set(),
  };
}

async function serverCertificate(
  authority: Authority,
  host: string,
  now: Date,
): Promise<{ key: string; cert: string }> {
  const keys = await generateKeys();
  const publicKey = KeyObject.from(keys.publicKey).export({ format: "der", type: "spki" });
  const names = new Set(["127.0.0.1", "::1", "localhost", nameOf(host)]);
  const leaf = await issueLeaf(authority, {
    identifiers: [...names].map(identifierOf),
    publicKey: new Uint8Array(publicKey),
    keyType: "ec",
    ...lifetime(now, 1),
  });
  const key = KeyObject.from(keys.privateKey).export({ format: "pem", type: "pkcs8" });
  return { key: key.toString(), cert: chainsOf(authority, leaf)[0] ?? "" };
}

/** The host name when it listens on all addresses; else the address. */
function nameOf(host: string): string {
  return host === "0.0.0.0" || host === "::" ? hostname() : host;
}

function baseUrl(host: string, { port }: AddressInfo): string {
  const name = nameOf(host);
  return `https://${isIP(name) === 6 ? `[${name}]` : name}:${port}`;
}

async function listen(server: https.Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  await once(server, "listening");
}
