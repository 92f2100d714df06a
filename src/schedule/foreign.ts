import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isOurs } from "./crontab.ts";
import type { Machine } from "./machine.ts";
import { unitMark } from "./units.ts";

/** A renewal that somebody set up by hand. */
export interface Foreign {
  /** `crontab of this user`, or a file. */
  readonly where: string;
  readonly line: string;
}

/** Every line by which cron or systemd runs `acmectl renew` already and that is not of `schedule install`. */
export async function foreignSchedules(
  crontab: readonly string[],
  { systemCrontabs, unitFolder }: Pick<Machine, "systemCrontabs" | "unitFolder">,
): Promise<readonly Foreign[]> {
  const own = renewals(crontab).map((line) => ({ where: "the crontab of this user", line }));
  const files = (await Promise.all([...systemCrontabs, unitFolder].map(filesIn))).flat();
  const found = await Promise.all(
    files.map(async (where) => {
      const text = await readFile(where, "utf8").catch(() => "");
      if (text.startsWith(unitMark)) return [];
      return renewals(text.split("\n")).map((line) => ({ where, line }));
    }),
  );
  return [...own, ...found.flat()];
}

function renewals(lines: readonly string[]): readonly string[] {
  return lines
    .filter((line) => !/^\s*[#;]/.test(line) && !isOurs(line))
    .filter((line) => /(^|[\s/'"=])acmectl(\.js)?['"]?\s(.*\s)?renew(\s|$|['"])/.test(line));
}

/** The file itself, or the files in a folder; what cannot be read holds nothing of ours. */
async function filesIn(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(path, entry.name));
  } catch (error) {
    const isFile = error instanceof Error && "code" in error && error.code === "ENOTDIR";
    return isFile ? [path] : [];
  }
}
