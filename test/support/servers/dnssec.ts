/** Zones signed with BIND's own tools. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { program } from "./catalog.ts";

export interface SignedZone {
  /** The signed zone file. */
  readonly text: string;
  /** The DS record for the parent, as a line of a zone file. */
  readonly ds: string;
  /** `257 3 13 "…"`, as `trust-anchors` has it. */
  readonly anchor: string;
}

/** Sign a zone file with a new key; with `expired`, by signatures of the past. */
export async function signZone(
  name: string,
  text: string,
  { expired = false } = {},
): Promise<SignedZone> {
  const folder = await mkdtemp(join(tmpdir(), "dnssec-"));
  try {
    const origin = name === "." ? "." : `${name}.`;
    const algorithm = ["-a", "ECDSAP256SHA256", "-f", "KSK"];
    const key = (await tool(folder, "dnssec-keygen", ...algorithm, origin)).trim();
    const publicKey = await readFile(join(folder, `${key}.key`), "utf8");
    await writeFile(join(folder, "zone"), `${text}\n${publicKey}`);
    const times = expired ? ["-s", "20200101000000", "-e", "20200201000000"] : [];
    // -P: expired signatures are not refused; -z: the one key signs everything.
    await tool(folder, "dnssec-signzone", "-P", "-z", ...times, "-o", origin, "zone", key);
    const [, fields = "", material = ""] =
      /\sDNSKEY\s+(\d+ \d+ \d+)\s+([^;\n]+)/.exec(publicKey) ?? [];
    return {
      text: await readFile(join(folder, "zone.signed"), "utf8"),
      ds: (await tool(folder, "dnssec-dsfromkey", "-2", `${key}.key`)).trim(),
      anchor: `${fields} "${material.replaceAll(/\s/g, "")}"`,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function tool(cwd: string, name: string, ...args: readonly string[]): Promise<string> {
  const { file, env } = program(name);
  const { stdout } = await promisify(execFile)(file, args, {
    cwd,
    env: { ...process.env, ...env },
  });
  return stdout;
}
