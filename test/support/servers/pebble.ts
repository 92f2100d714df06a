/** Pebble, Let's Encrypt's small ACME server, with TLS of its own making. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, fetch } from "undici";
import { freePort, startProcess, withFreePort } from "./process.ts";
import { makeTls } from "./tls.ts";

export interface PebbleSettings {
  /** Another version than the one of tests. */
  program?: string;
  /** `127.0.0.1:PORT` of the DNS that validation asks; the system's resolver when absent. */
  dnsServer?: string;
  /** Where validation finds http-01 (5002) and tls-alpn-01 (5001) answers. */
  httpPort?: number;
  tlsPort?: number;
  /** On unless switched off. */
  strict?: boolean;
  /** External account binding is required, with these keys: kid → base64url of the MAC key. */
  eab?: Readonly<Record<string, string>>;
  profiles?: Readonly<Record<string, { description: string; validityPeriod: number }>>;
  /** Seconds of Retry-After for authorizations and orders; 1 each. */
  retryAfter?: { authz: number; order: number };
  domainBlocklist?: readonly string[];
  caaIdentities?: readonly string[];
  keyAlgorithm?: "ecdsa" | "rsa";
  /** `PEBBLE_WFE_NONCEREJECT`, `PEBBLE_AUTHZREUSE`, `PEBBLE_ALTERNATE_ROOTS`, `PEBBLE_CHAIN_LENGTH`, `PEBBLE_VA_ALWAYS_VALID`, … */
  env?: Readonly<Record<string, string>>;
}

export interface Pebble {
  readonly directoryUrl: string;
  readonly managementUrl: string;
  /** Of its own TLS certificate, to give to the client. */
  readonly rootPem: string;
  readonly rootFile: string;
  /** The roots of the certificates that it issues, the default chain's first. */
  issuingRoots(): Promise<string[]>;
  /** Ask the management interface (`/cert-status-by-serial/…`, `/set-renewal-info/`). */
  manage(
    path: string,
    init?: { method?: string; body?: string },
  ): Promise<{ status: number; text: string }>;
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

/** Start a Pebble that listens on 127.0.0.1 alone. */
export async function startPebble(settings: PebbleSettings = {}): Promise<Pebble> {
  const folder = await mkdtemp(join(tmpdir(), "pebble-"));
  const tls = await makeTls(folder);
  const agent = new Agent({ connect: { ca: tls.rootPem } });
  const ask = async (url: string, init: { method?: string; body?: string } = {}) => {
    const response = await fetch(url, { ...init, dispatcher: agent });
    return { status: response.status, text: await response.text() };
  };
  const started = await withFreePort(async (port) => {
    const management = await freePort();
    const config = join(folder, "config.json");
    await writeFile(config, JSON.stringify({ pebble: configOf(settings, port, management, tls) }));
    const strict = settings.strict ?? true;
    const dns = settings.dnsServer === undefined ? [] : ["-dnsserver", settings.dnsServer];
    const running = await startProcess({
      program: settings.program ?? "pebble",
      args: ["-config", config, ...(strict ? ["-strict"] : []), ...dns],
      env: { PEBBLE_VA_NOSLEEP: "1", ...settings.env },
      ready: async () =>
        (await ask(`https://127.0.0.1:${port}/dir`)).status === 200 &&
        (await ask(`https://127.0.0.1:${management}/roots/0`)).status === 200,
    });
    return { running, port, management };
  });
  const managementUrl = `https://127.0.0.1:${started.management}`;
  return {
    directoryUrl: `https://127.0.0.1:${started.port}/dir`,
    managementUrl,
    rootPem: tls.rootPem,
    rootFile: tls.rootFile,
    async issuingRoots() {
      const roots: string[] = [];
      for (;;) {
        const { status, text } = await ask(`${managementUrl}/roots/${roots.length}`);
        if (status !== 200) return roots;
        roots.push(text);
      }
    },
    manage: (path, init) => ask(managementUrl + path, init),
    log: started.running.log,
    async close() {
      await started.running.close();
      await agent.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configOf(
  settings: PebbleSettings,
  port: number,
  management: number,
  tls: { certificateFile: string; keyFile: string },
): object {
  return {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: tls.certificateFile,
    privateKey: tls.keyFile,
    httpPort: settings.httpPort ?? 5002,
    tlsPort: settings.tlsPort ?? 5001,
    ocspResponderURL: "",
    externalAccountBindingRequired: settings.eab !== undefined,
    externalAccountMACKeys: settings.eab ?? {},
    domainBlocklist: settings.domainBlocklist ?? ["blocked-domain.example"],
    caaIdentities: settings.caaIdentities ?? ["pebble.letsencrypt.org"],
    retryAfter: settings.retryAfter ?? { authz: 1, order: 1 },
    keyAlgorithm: settings.keyAlgorithm ?? "ecdsa",
    profiles: settings.profiles ?? {
      default: { description: "ninety days", validityPeriod: 7_776_000 },
      shortlived: { description: "six days", validityPeriod: 518_400 },
    },
  };
}
