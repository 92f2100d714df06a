/** Knot DNS as an ordinary process on a high loopback port. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clients, zoneFile } from "./nameserver.ts";
import type { NameServer, TsigKey, ZoneSettings } from "./nameserver.ts";
import { startProcess, withFreePort } from "./process.ts";

export interface KnotSettings {
  readonly zones: readonly ZoneSettings[];
  /** Each may update TXT records in every zone. */
  readonly keys: readonly TsigKey[];
  /** Further lines of the acl, e.g. `update-owner: name`. */
  readonly acl?: readonly string[];
}

export async function startKnot(settings: KnotSettings): Promise<NameServer> {
  const address = "127.0.0.1";
  return withFreePort(async (port) => {
    const folder = await mkdtemp(join(tmpdir(), "knot-"));
    for (const zone of settings.zones) {
      await writeFile(join(folder, `${zone.name}.zone`), zoneFile(zone, address));
    }
    const config = join(folder, "knot.conf");
    await writeFile(config, configOf(settings, folder, address, port));
    const tools = clients(address, port);
    const running = await startProcess({
      program: "knotd",
      args: ["-c", config],
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

function configOf(settings: KnotSettings, folder: string, address: string, port: number): string {
  const names = settings.keys.map((key) => key.name).join(", ");
  return [
    "server:",
    `    rundir: "${folder}"`,
    `    listen: ${address}@${port}`,
    "    udp-workers: 1",
    "    tcp-workers: 1",
    "    background-workers: 1",
    "log:",
    "  - target: stdout",
    "    any: info",
    "database:",
    `    storage: "${folder}"`,
    "key:",
    ...settings.keys.flatMap((key) => [
      `  - id: ${key.name}`,
      `    algorithm: ${key.algorithm}`,
      `    secret: ${key.secret}`,
    ]),
    "acl:",
    "  - id: acme",
    `    key: [${names}]`,
    "    action: update",
    "    update-type: [TXT]",
    ...(settings.acl ?? []).map((line) => `    ${line}`),
    "zone:",
    ...settings.zones.flatMap((zone) => [
      `  - domain: ${zone.name}`,
      `    storage: "${folder}"`,
      `    file: "${zone.name}.zone"`,
      "    acl: [acme]",
    ]),
    "",
  ].join("\n");
}
