/** Real ACME servers, each started in one way, for the list of cases that all of them are to pass. */
import { createServer } from "node:net";
import { once } from "node:events";
import { startTestCa } from "../../../src/test-ca/test-ca.ts";
import { temporaryFolder } from "../state.ts";
import { startAcme2Certifier } from "./acme2certifier.ts";
import { startCaddyCa } from "./caddy.ts";
import { type PartName } from "./catalog.ts";
import { startPebble } from "./pebble.ts";
import { freePort } from "./process.ts";
import { startStepCa } from "./step-ca.ts";
import { join } from "node:path";
import { writeFile } from "node:fs/promises";

export interface CaServer {
  readonly directoryUrl: string;
  readonly rootFile: string;
  /** Where it connects for http-01 and tls-alpn-01. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** An address of this machine to which it connects. */
  readonly address: string;
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

export const cases = [
  "registers an account and shows it",
  "requires an external account binding",
  "issues by http-01",
  "issues by dns-01",
  "issues by tls-alpn-01",
  "issues by dns-account-01",
  "issues and renews by dns-persist-01 without DNS credentials",
  "issues a wildcard",
  "issues for an address by http-01",
  "issues for an address by tls-alpn-01",
  "renews at the CA's renewal information",
  "renews when forced",
  "revokes a certificate",
  "replaces the account key",
  "reports a name that the CA refuses",
] as const;
export type CaseName = (typeof cases)[number];

export interface CaKind {
  readonly name: string;
  readonly part?: PartName;
  readonly start: (dnsServer: string) => Promise<CaServer>;
  /** What it cannot do, and why. */
  readonly cannot: Partial<Record<CaseName, string>>;
}

/** base64url, for the key identifier `kid1`. */
export const macKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
const eab = { kid1: macKey };
/** Every server is arranged to refuse it. */
export const refusedName = "blocked.example.test";

export const caKinds: readonly CaKind[] = [
  {
    name: "Pebble",
    part: "pebble",
    cannot: {},
    async start(dnsServer) {
      const [httpPort, tlsPort] = [await freePort(), await freePort()];
      const domainBlocklist = [refusedName];
      const ports = { httpPort, tlsPort };
      const pebble = await startPebble({ dnsServer, ...ports, eab, domainBlocklist });
      return { ...pebble, ...ports, address: "127.0.0.1" };
    },
  },
  {
    name: "the embedded CA",
    cannot: {},
    async start(resolver) {
      const folder = await temporaryFolder();
      const [httpPort, tlsPort] = [await freePort(), await freePort()];
      const lines: string[] = [];
      const log = (line: string) => void lines.push(line);
      const ca = await startTestCa({ httpPort, tlsPort, resolver, eab, log });
      ca.faults.add({
        on: ({ kind, payload }) =>
          kind === "newOrder" && JSON.stringify(payload).includes(refusedName),
        times: Infinity,
        do: {
          status: 403,
          problem: { type: "rejectedIdentifier", detail: `${refusedName} is not allowed` },
        },
      });
      const rootFile = join(folder.path, "root.pem");
      await writeFile(rootFile, ca.rootPem);
      const address = "127.0.0.1";
      const { directoryUrl } = ca;
      return {
        ...{ directoryUrl, rootFile, httpPort, tlsPort, address, log: () => lines.join("\n") },
        async close() {
          await ca.close();
          await folder[Symbol.asyncDispose]();
        },
      };
    },
  },
  {
    name: "step-ca",
    part: "step-ca",
    cannot: {
      "issues by dns-account-01": "it does not offer it",
      "issues and renews by dns-persist-01 without DNS credentials": "it does not offer it",
      "requires an external account binding":
        "external account keys are made by its commercial edition alone",
      "renews at the CA's renewal information": "it has none (RFC 9773)",
      "replaces the account key": "it answers keyChange with HTTP 501, not implemented",
    },
    async start(dnsServer) {
      const ca = await startStepCa({ dnsServer, denied: [refusedName] });
      return { ...ca, address: "127.0.0.1" };
    },
  },
  {
    name: "Caddy's ACME server",
    part: "caddy-shiftable",
    cannot: {
      "issues by dns-account-01": "it does not offer it",
      "issues and renews by dns-persist-01 without DNS credentials": "it does not offer it",
      "requires an external account binding": "it has none",
      "issues by http-01": "it asks the system's resolver, which knows no name of a test",
      "issues by tls-alpn-01": "it asks the system's resolver, which knows no name of a test",
      "renews at the CA's renewal information": "it has none (RFC 9773)",
      "replaces the account key": "it answers keyChange with HTTP 501, not implemented",
    },
    async start(resolver) {
      const ca = await startCaddyCa({ resolver, denied: [refusedName] });
      // Nothing else is there, and no other test uses it.
      const address = `127.77.${process.pid % 250}.${1 + (Math.trunc(process.pid / 250) % 250)}`;
      return { ...ca, httpPort: 80, tlsPort: 443, address };
    },
  },
  {
    name: "acme2certifier",
    part: "acme2certifier",
    cannot: {
      "issues by dns-account-01": "it does not offer it",
      "issues and renews by dns-persist-01 without DNS credentials": "it does not offer it",
    },
    async start(dnsServer) {
      return { ...(await startAcme2Certifier({ dnsServer, eab })), address: "127.0.0.1" };
    },
  },
];

/** Why the server's ports cannot be opened by this user; undefined if they can. */
export async function closedPort(server: CaServer): Promise<string | undefined> {
  const { httpPort, tlsPort, address } = server;
  for (const port of [httpPort, tlsPort]) {
    const listener = createServer();
    try {
      listener.listen(port, address);
      await once(listener, "listening");
      listener.close();
    } catch (error) {
      return `it connects to port ${port} alone, which cannot be opened here (${String(error)})`;
    }
  }
  return undefined;
}
