/** joohoi's acme-dns: API and DNS on loopback ports, without TLS. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startProcess, withFreePort } from "./process.ts";

export interface AcmeDns {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `127.0.0.1:PORT`, authoritative for `domain`. */
  readonly dnsServer: string;
  readonly domain: string;
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

export async function startAcmeDns(settings: { domain?: string } = {}): Promise<AcmeDns> {
  const domain = settings.domain ?? "auth.example.test";
  const folder = await mkdtemp(join(tmpdir(), "acme-dns-"));
  return withFreePort(async (dnsPort) => {
    const port = await freePort();
    const config = join(folder, "config.cfg");
    await writeFile(config, configOf(domain, dnsPort, port, folder));
    const url = `http://127.0.0.1:${port}`;
    const running = await startProcess({
      program: "acme-dns",
      args: ["-c", config],
      cwd: folder,
      ready: async () => (await fetch(`${url}/health`)).ok,
    });
    const close = async () => {
      await running.close();
      await rm(folder, { recursive: true, force: true });
    };
    return { url, dnsServer: `127.0.0.1:${dnsPort}`, domain, log: running.log, close };
  });
}

function configOf(domain: string, dnsPort: number, port: number, folder: string): string {
  return `[general]
listen = "127.0.0.1:${dnsPort}"
protocol = "both4"
domain = "${domain}"
nsname = "${domain}"
nsadmin = "admin.${domain}"
records = ["${domain}. A 127.0.0.1", "${domain}. NS ${domain}."]
debug = false
[database]
engine = "sqlite3"
connection = "${join(folder, "acme-dns.db")}"
[api]
ip = "127.0.0.1"
disable_registration = false
port = "${port}"
tls = "none"
corsorigins = ["*"]
use_header = false
[logconfig]
loglevel = "debug"
logtype = "stdout"
logformat = "text"
`;
}
