import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { Problem } from "../../problem.ts";
import { searchPath } from "../environment.ts";

/** The number of a user or group, which may be given as number; asked of the system, so that LDAP's count too. */
export async function idOf(kind: "owner" | "group", name: string): Promise<number> {
  if (/^\d{1,10}$/u.test(name)) return Number(name);
  const line = /^[^-\s:][^\s:]*$/u.test(name) ? await lookUp(kind, name) : undefined;
  const id = line?.split(":")[2];
  if (id !== undefined && /^\d+$/u.test(id)) return Number(id);
  throw new Problem("deploy", {
    detail: `The ${kind === "owner" ? "user" : "group"} "${name}" does not exist on this machine.`,
    hint: `Correct \`${kind}\`, create the ${kind === "owner" ? "user" : "group"}, or give a number.`,
  });
}

async function lookUp(kind: "owner" | "group", name: string): Promise<string | undefined> {
  const database = kind === "owner" ? "passwd" : "group";
  try {
    const env = { PATH: searchPath(undefined) };
    const { stdout } = await promisify(execFile)("getent", [database, name], { env });
    return stdout.split("\n").find((line) => line.startsWith(`${name}:`));
  } catch {
    // No getent (Alpine without it, macOS), or it does not know the name.
    const lines = await readFile(`/etc/${database}`, "utf8").catch(() => "");
    return lines.split("\n").find((line) => line.startsWith(`${name}:`));
  }
}
