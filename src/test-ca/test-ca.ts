import { KeyObject } from "node:crypto";
import { once } from "node:events";
import https from "node:https";
import { isIP, type AddressInfo } from "node:net";
import { hostname } from "node:os";
import { keepRoom } from "../keep-room.ts";
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
import { createFaults, type Faults, type RequestRecord } from "./server/faults.ts";
import { withDefaults, type RenewalInfo, type TestCaOptions } from "./options.ts";
import { createState } from "./state.ts";
import { createListener } from "./server/server.ts";

export type { ArmedFault, Fault, FaultAction, Faults } from "./server/faults.ts";
export type { RequestRecord, ResourceKind } from "./server/faults.ts";
export { UnreadableAuthority } from "./authority/unreadable.ts";
export type { ProblemJson } from "./acme-problem.ts";
export type { Profile, RenewalInfo, TestCaOptions } from "./options.ts";

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
  const { host } = settings;
  const authority =
    options.folder === undefined
      ? await createAuthority(settings.now())
      : await openAuthority(options.folder, settings.now());
  const server = https.createServer({
    ...(await serverCertificate(authority, host, settings.now())),
    keepAliveTimeout: 30_000,
    headersTimeout: patience,
    handshakeTimeout: patience,
    connectionsCheckingInterval: 1_000,
  });
  const closeServer = keepRoom(server, { most: mostConnections });
  server.listen({ port: options.port ?? 0, host, backlog: 4_096 });
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port was bound");
  const closing = new AbortController();
  const base = baseUrl(host, address);
  const state = createState({ base, settings, authority, signal: closing.signal });
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
      await closeServer();
    },
  };
}

const mostConnections = 512;
/** Milliseconds for a handshake, and for the head of a request. */
const patience = 10_000;

async function serverCertificate(authority: Authority, host: string, now: Date) {
  const keys = await generateKeys();
  const names = new Set(["127.0.0.1", "::1", "localhost", nameOf(host)]);
  const leaf = await issueLeaf(authority, {
    identifiers: [...names].map(identifierOf),
    key: KeyObject.from(keys.publicKey),
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
