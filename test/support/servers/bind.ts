/** BIND as an ordinary process on a high loopback port, with a folder of its own. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clients, zoneFile } from "./nameserver.ts";
import type { NameServer, TsigKey, ZoneSettings } from "./nameserver.ts";
import { startProcess, withFreePort } from "./process.ts";

export interface BindZone extends ZoneSettings {
  /** Makes it a secondary of that server. */
  readonly secondaryOf?: { address: string; port: number };
  /** `update-policy` rules; when absent every key may change TXT records in the whole zone. */
  readonly updatePolicy?: readonly string[];
  /** Further clauses of the zone statement. */
  readonly clauses?: readonly string[];
  /** The view it belongs to, where there are views. */
  readonly view?: string;
  /** The whole zone file, e.g. a signed one, instead of one of these records. */
  readonly text?: string;
}

export interface BindSettings {
  readonly zones: readonly BindZone[];
  readonly keys?: readonly TsigKey[];
  readonly address?: string;
  /** A free one when absent. */
  readonly port?: number;
  /** Validate DNSSEC, from `trust-anchors` among the statements. */
  readonly validation?: boolean;
  /** Further lines of the options statement, e.g. `recursion yes;`. */
  readonly options?: readonly string[];
  /** Further statements, e.g. a zone of type forward. */
  readonly statements?: readonly string[];
  /** In the order of matching, e.g. `{ name: "inside", match: "key inside-key" }`. */
  readonly views?: readonly { name: string; match: string }[];
}

export interface Bind extends NameServer {
  readonly folder: string;
  /** Let a secondary of this server catch up: it is told to by a NOTIFY from this server's address. */
  readonly notify: (secondary: NameServer, zone: string) => Promise<void>;
}

export async function startBind(settings: BindSettings): Promise<Bind> {
  const address = settings.address ?? "127.0.0.1";
  const { port } = settings;
  if (port !== undefined) return start(settings, address, port);
  return withFreePort((free) => start(settings, address, free), address);
}

async function start(settings: BindSettings, address: string, port: number): Promise<Bind> {
  const folder = await mkdtemp(join(tmpdir(), "named-"));
  await mkdir(join(folder, "zones"));
  for (const zone of settings.zones) {
    if (zone.secondaryOf === undefined)
      await writeFile(join(folder, fileOf(zone)), zone.text ?? zoneFile(zone, address));
  }
  const config = join(folder, "named.conf");
  await writeFile(config, configOf(settings, folder, address, port));
  const tools = clients(address, port);
  const served = settings.zones.filter((zone) => zone.view === undefined);
  const running = await startProcess({
    program: "named",
    args: ["-g", "-c", config, "-n", "1", "-U", "1"],
    cwd: folder,
    ready: async (log) => {
      // "running as: named …" is its first line.
      if (!/ running$/m.test(log)) return false;
      for (const zone of served) {
        if (!(await tools.dig("+norecurse", "SOA", zone.name)).includes("NOERROR")) return false;
      }
      return true;
    },
  });
  return {
    address,
    port,
    server: `${address}:${port}`,
    folder,
    ...tools,
    async notify(secondary, zone) {
      const flags = ["-b", address, "+opcode=notify", "+norec", "+aaflag", "SOA", zone];
      await secondary.dig(...flags);
    },
    log: running.log,
    async close() {
      await running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const fileOf = (zone: BindZone) => `zones/${zone.view ?? "all"}-${zone.name}`;

function configOf(settings: BindSettings, folder: string, address: string, port: number): string {
  const keys = settings.keys ?? [];
  const zones = (view?: string) =>
    settings.zones.filter((zone) => zone.view === view).map((zone) => zoneClause(zone, keys));
  const views = settings.views ?? [];
  return [
    ...keys.map((k) => `key "${k.name}" { algorithm ${k.algorithm}; secret "${k.secret}"; };`),
    `options {`,
    `directory "${folder}"; listen-on port ${port} { ${address}; }; listen-on-v6 { none; };`,
    `pid-file "${folder}/named.pid"; session-keyfile "${folder}/session.key"; lock-file none;`,
    `managed-keys-directory "${folder}"; dnssec-validation ${settings.validation === true ? "yes" : "no"}; empty-zones-enable no; notify no;`,
    `allow-transfer { any; }; allow-query { any; }; transfer-source ${address};`,
    ...(settings.options?.some((line) => line.startsWith("recursion")) ? [] : ["recursion no;"]),
    ...(settings.options ?? []),
    `};`,
    `controls { };`,
    ...views.map(
      (view) =>
        `view "${view.name}" { match-clients { ${view.match}; };\n${zones(view.name).join("\n")}\n};`,
    ),
    ...zones(),
    ...(settings.statements ?? []),
    "",
  ].join("\n");
}

function zoneClause(zone: BindZone, keys: readonly TsigKey[]): string {
  const clauses = (zone.clauses ?? []).join(" ");
  if (zone.secondaryOf !== undefined) {
    const { address, port } = zone.secondaryOf;
    const primaries = `primaries { ${address} port ${port}; };`;
    return `zone "${zone.name}" { type secondary; file "${fileOf(zone)}"; ${primaries} ${clauses} };`;
  }
  const policy = zone.updatePolicy ?? keys.map((key) => `grant ${key.name} zonesub TXT;`);
  const update = policy.length === 0 ? "" : `update-policy { ${policy.join(" ")} };`;
  return `zone "${zone.name}" { type primary; file "${fileOf(zone)}"; ${update} ${clauses} };`;
}
