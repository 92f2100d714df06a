/** What BIND, Knot and PowerDNS have in common for tests, and the independent clients `dig` and `nsupdate`. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { find, program } from "./catalog.ts";

const run = promisify(execFile);

export interface TsigKey {
  readonly name: string;
  /** `hmac-sha256` and the like. */
  readonly algorithm: string;
  /** Base64. */
  readonly secret: string;
}

export interface ZoneSettings {
  readonly name: string;
  /** Further lines of the zone file, relative to the zone, e.g. `www 60 IN A 192.0.2.1`. */
  readonly records?: readonly string[];
  /** Host names in NS records; `ns1` at the server's own address when absent. */
  readonly nameservers?: readonly string[];
  /** Seconds for which resolvers remember that a name does not exist; 1 when absent. */
  readonly negativeTtl?: number;
}

export interface NameServer {
  readonly address: string;
  readonly port: number;
  /** `ADDRESS:PORT` */
  readonly server: string;
  /** `dig @server …`, its output trimmed. */
  readonly dig: (...args: string[]) => Promise<string>;
  /** TXT values and TTL at a name as an independent client sees them, sorted. */
  readonly txt: (name: string) => Promise<{ value: string; ttl: number }[]>;
  /** `nsupdate` with these lines, signed if a key is given. */
  readonly update: (
    lines: readonly string[],
    key?: TsigKey,
  ) => Promise<{ code: number; output: string }>;
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

/** The zone file: a SOA with its negative TTL, NS, glue and the further records. */
export function zoneFile(zone: ZoneSettings, address: string): string {
  const nameservers = zone.nameservers ?? [`ns1.${zone.name}.`];
  const negative = zone.negativeTtl ?? 1;
  return [
    `$ORIGIN ${zone.name}.`,
    "$TTL 60",
    `@ ${Math.max(60, negative)} IN SOA ${nameservers[0]} hostmaster.${zone.name}. 1 3600 600 86400 ${negative}`,
    ...nameservers.map((host) => `@ IN NS ${host}`),
    ...(zone.nameservers === undefined ? [`ns1 IN A ${address}`] : []),
    ...(zone.records ?? []),
    "",
  ].join("\n");
}

/** The clients, aimed at one server. */
export function clients(address: string, port: number): Pick<NameServer, "dig" | "txt" | "update"> {
  const dig = async (...args: string[]) => {
    const { file, env } = program("dig");
    const all = ["+time=2", "+tries=2", ...args, `@${address}`, "-p", String(port)];
    const { stdout } = await run(file, all, { env: { ...process.env, ...env } });
    return stdout.trim();
  };
  return {
    dig,
    async txt(name) {
      const text = await dig("+norecurse", "+noall", "+answer", "TXT", name);
      const lines = text.split("\n").filter((line) => /\sTXT\s/.test(line));
      return lines
        .map((line) => {
          const [, ttl = "", value = ""] = /^\S+\s+(\d+)\s+IN\s+TXT\s+(.*)$/.exec(line) ?? [];
          return { value: value.replaceAll(/"\s+"|^"|"$/g, ""), ttl: Number(ttl) };
        })
        .toSorted((a, b) => (a.value < b.value ? -1 : 1));
    },
    async update(lines, key) {
      const { file, env } = program("nsupdate");
      const sign = key === undefined ? [] : ["-y", `${key.algorithm}:${key.name}:${key.secret}`];
      const child = spawn(file, ["-t", "5", ...sign], { env: { ...process.env, ...env } });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.stdin.end([`server ${address} ${port}`, ...lines, "send", ""].join("\n"));
      await once(child, "close");
      return { code: child.exitCode ?? -1, output };
    },
  };
}

/** True when the loopback interface has the address, or could be given it; BIND listens on such addresses alone. */
export async function loopbackAddress(address: string): Promise<boolean> {
  const ip = find("ip");
  if (ip === undefined) return false;
  const { stdout } = await run(ip, ["addr", "show", "dev", "lo"]);
  if (stdout.includes(`inet ${address}/`)) return true;
  return run(ip, ["addr", "add", `${address}/32`, "dev", "lo"]).then(
    () => true,
    () => {
      process.stderr.write(`skipped: tests with ${address} (\`ip addr add\` needs root)\n`);
      return false;
    },
  );
}
