import { KeyObject } from "node:crypto";
import { once } from "node:events";
import https from "node:https";
import { isIP } from "node:net";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import {
  chainsOf,
  createAuthority,
  generateKeys,
  identifierOf,
  issueLeaf,
} from "./authority/authority.ts";
import type { Authority } from "./authority/authority.ts";
import { openAuthority } from "./authority/folder.ts";
import { createFaults } from "./server/faults.ts";
import type { Faults } from "./server/faults.ts";
import { createNonces } from "./nonces.ts";
import type { RequestRecord } from "./server/records.ts";
import { createListener } from "./server/server.ts";
import type { Profile, RenewalInfo, Settings, State } from "./state.ts";

export type { ArmedFault, Fault, FaultAction, Faults } from "./server/faults.ts";
export { UnreadableAuthority } from "./authority/folder.ts";
export type { ProblemJson } from "./acme-problem.ts";
export type { RequestRecord } from "./server/records.ts";
export type { ResourceKind } from "./server/routes.ts";
export type { Profile, RenewalInfo } from "./state.ts";

/** How the CA listens, validates and issues; everything has a default. */
export interface TestCaOptions {
  /** Address to listen on; default 127.0.0.1. With 0.0.0.0 or :: the URLs name this machine's host name. */
  readonly host?: string;
  /** Default 0: one that is free. */
  readonly port?: number;
  /** Where the roots and the issuing key are kept and found again (0600 in 0700); absent: in memory. */
  readonly folder?: string;
  /** Port of http-01; default 80. */
  readonly httpPort?: number;
  /** Port of tls-alpn-01; default 443. */
  readonly tlsPort?: number;
  /**
   * "127.0.0.1:5353": the DNS server asked for TXT (dns-01), A and AAAA. Absent: every host is on loopback, and dns-01 asks
   * the system's resolvers.
   */
  readonly resolver?: string;
  /** External accounts: key identifier to HMAC key (base64url). */
  readonly eab?: Readonly<Record<string, string>>;
  /** Default: whether `eab` is given. */
  readonly requireEab?: boolean;
  /** Name to description and validity in milliseconds, the default one first. */
  readonly profiles?: Readonly<Record<string, Profile>>;
  /** URL; when given, accounts have to agree. */
  readonly termsOfService?: string;
  /** Share of good nonces that are refused, 0 to 1; default 0. */
  readonly badNonceRate?: number;
  /** Milliseconds that a valid authorization is reused; default 30 days, 0 for never. */
  readonly authorizationReuse?: number;
  /**
   * Validate and issue in the background, with `processing` states and Retry-After meanwhile: `delay` in milliseconds
   * (default 50), `retryAfter` in seconds (default 1). Default: done within the request.
   */
  readonly asynchronous?: boolean | { readonly delay?: number; readonly retryAfter?: number };
  readonly now?: () => Date;
  /** Gets a line for each request, refusal and validation. */
  readonly log?: (line: string) => void;
}

/** A running CA. */
export interface TestCa {
  readonly directoryUrl: string;
  /** Trust anchor of the CA's own TLS certificate and of what it issues. */
  readonly rootPem: string;
  /** The other root, under which the alternate chain stands. */
  readonly alternateRootPem: string;
  /** Every request so far, in order of arrival; the last 10,000 of them. */
  readonly requests: readonly RequestRecord[];
  readonly faults: Faults;
  /** Answers ARI for this certificate (RFC 9773 §4.1) with another window from now on. */
  setRenewalInfo(certificateId: string, info: RenewalInfo): void;
  /** Stops listening and ends open connections. */
  close(): Promise<void>;
}

/**
 * Starts an ACME CA (RFC 8555, 8737, 8738, 9773 and profiles) for trying and testing: it validates for real, and nobody
 * trusts its root but those who are told to. Rejects as `listen` does when it
 * cannot, with `UnreadableAuthority` for broken keys in the folder, and as the file system does for a folder that is unusable.
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
    notBefore: new Date(Math.min(now.getTime(), Date.now()) - day),
    notAfter: new Date(Math.max(now.getTime(), Date.now()) + 365 * day),
  });
  const key = KeyObject.from(keys.privateKey).export({ format: "pem", type: "pkcs8" });
  return { key: key.toString(), cert: chainsOf(authority, leaf)[0] ?? "" };
}

/** What others call this machine when it listens on all addresses; else the address itself. */
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
