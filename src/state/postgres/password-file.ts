import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { StateTools } from "../tools.ts";

interface Account {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** The password in `~/.pgpass` or the file given: the first line whose fields fit, as libpq reads it. */
export function passwordFromFile(
  { host, port, database, user }: Account,
  given: string | undefined,
  { env, log, mask }: Pick<StateTools, "env" | "log" | "mask">,
): string | undefined {
  const path = given ?? join(env["HOME"] ?? "/", ".pgpass");
  // libpq writes localhost for every socket.
  const wanted = [host.startsWith("/") ? "localhost" : host, `${port}`, database, user];
  const lines = readPrivate(path, log).split(/\r?\n/);
  const fitting = lines.map(fieldsOf).find((fields) => isFor(fields, wanted));
  const password = fitting?.[wanted.length];
  if (password !== undefined) mask(password);
  return password;
}

/** Between colons; a backslash keeps the letter behind it. */
function fieldsOf(line: string): readonly string[] {
  if (line.startsWith("#")) return [];
  const fields = line.match(/(?:\\.|[^\\:])*(?::|$)/g) ?? [];
  return fields.map((field) => field.replace(/:$/, "").replaceAll(/\\(.)/g, "$1"));
}

function isFor(fields: readonly string[], wanted: readonly string[]): boolean {
  return (
    (fields[wanted.length] ?? "") !== "" &&
    wanted.every((value, index) => [value, "*"].includes(fields[index] ?? ""))
  );
}

/** As libpq, a file that others may read counts as missing. */
function readPrivate(path: string, log: StateTools["log"]): string {
  try {
    if ((statSync(path).mode & 0o077) === 0) return readFileSync(path, "utf8");
    log.warn(
      `the password file ${path} is not used, since other users may read it; run: chmod 600 ${path}`,
    );
  } catch {
    // Most users have none; a wrong path shows as a missing password.
  }
  return "";
}
