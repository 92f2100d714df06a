/** PowerDNS with its SQLite backend as an ordinary process on a high loopback port. */
import { execFile } from "node:child_process";
import { readFile, readdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { debianFolder, program } from "./catalog.ts";
import { clients, zoneFile } from "./nameserver.ts";
import type { NameServer, TsigKey, ZoneSettings } from "./nameserver.ts";
import { startProcess, withFreePort } from "./process.ts";

const run = promisify(execFile);

export interface PowerDnsSettings {
  readonly zones: readonly ZoneSettings[];
  /** Each may update every zone. */
  readonly keys: readonly TsigKey[];
}

export async function startPowerDns(settings: PowerDnsSettings): Promise<NameServer> {
  const address = "127.0.0.1";
  return withFreePort(async (port) => {
    const folder = await mkdtemp(join(tmpdir(), "pdns-"));
    const database = new DatabaseSync(join(folder, "pdns.db"));
    database.exec(await readFile(await packaged("schema.sqlite3.sql"), "utf8"));
    database.close();
    await writeFile(join(folder, "pdns.conf"), await configOf(folder, address, port));
    await fill(settings, folder, address);
    const tools = clients(address, port);
    const running = await startProcess({
      program: "pdns_server",
      args: [`--config-dir=${folder}`],
      cwd: folder,
      ready: async () => {
        for (const zone of settings.zones) {
          if (!(await tools.dig("SOA", zone.name)).includes("NOERROR")) return false;
        }
        return true;
      },
    });
    const close = async () => {
      await running.close();
      await rm(folder, { recursive: true, force: true });
    };
    return { address, port, server: `${address}:${port}`, ...tools, log: running.log, close };
  });
}

async function fill(settings: PowerDnsSettings, folder: string, address: string): Promise<void> {
  const { file, env } = program("pdnsutil");
  const pdnsutil = (...args: string[]) =>
    run(file, [`--config-dir=${folder}`, ...args], { env: { ...process.env, ...env } });
  for (const key of settings.keys) {
    await pdnsutil("import-tsig-key", key.name, key.algorithm, key.secret);
  }
  for (const zone of settings.zones) {
    const path = join(folder, `${zone.name}.zone`);
    await writeFile(path, zoneFile(zone, address));
    await pdnsutil("load-zone", zone.name, path);
    const names = settings.keys.map((key) => key.name);
    await pdnsutil("set-meta", zone.name, "TSIG-ALLOW-DNSUPDATE", ...names);
  }
}

async function configOf(folder: string, address: string, port: number): Promise<string> {
  return `launch=gsqlite3
gsqlite3-database=${folder}/pdns.db
gsqlite3-dnssec=yes
module-dir=${await packaged("libgsqlite3backend.so").then((file) => join(file, ".."))}
local-address=${address}
local-port=${port}
socket-dir=${folder}
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
receiver-threads=1
distributor-threads=1
`;
}

/** A file of the Debian packages, from the cache or from the system. */
async function packaged(name: string): Promise<string> {
  for (const root of [debianFolder, "/"]) {
    const library = join(root, "usr", "lib");
    const architectures = await readdir(library).catch(() => []);
    const folders = [
      join(root, "usr/share/pdns-backend-sqlite3/schema"),
      ...architectures.map((architecture) => join(library, architecture, "pdns")),
    ];
    for (const folder of folders) {
      const files = await readdir(folder).catch((): string[] => []);
      if (files.includes(name)) return join(folder, name);
    }
  }
  throw new Error(`${name} of pdns-backend-sqlite3 is nowhere`);
}
