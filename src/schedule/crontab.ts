import { Problem } from "../problem.ts";
import { mark } from "./cron-line.ts";
import { type Machine, runProgram } from "./machine.ts";

type System = Pick<Machine, "env" | "signal">;

/** The lines of the user's crontab; undefined when this machine has no crontab(1). Rejects when it cannot be read. */
export async function readCrontab(system: System): Promise<readonly string[] | undefined> {
  const ended = await runProgram("crontab", ["-l"], system);
  if (ended === undefined) return undefined;
  if (ended.code === 0) return ended.stdout.replace(/\n$/, "").split("\n");
  // crontab(1) has one code for "none yet" and for every failure. What is not known as the former must not be overwritten.
  if (/^(crontab: )?(no crontab for|can't open)/m.test(ended.stderr)) return [];
  throw new Problem("machine", {
    detail: `crontab -l failed (${ended.code}): ${ended.stderr.trim() || "it said nothing"}`,
    hint: "This user may not be allowed to use cron (/etc/cron.allow, /etc/cron.deny). Ask root, or have root run `acmectl schedule install`.",
  });
}

/** Replace the user's crontab; one that would be empty is removed. */
export async function writeCrontab(lines: readonly string[], system: System): Promise<void> {
  const isEmpty = lines.every((line) => line.trim() === "");
  const ended = isEmpty
    ? await runProgram("crontab", ["-r"], system)
    : await runProgram("crontab", ["-"], system, `${lines.join("\n")}\n`);
  if (ended?.code === 0) return;
  throw new Problem("machine", {
    detail: `The crontab could not be written: ${ended?.stderr.trim() || "crontab failed"}`,
    hint: "Nothing was changed. Add the line of `acmectl schedule install --by cron --dry-run` by hand with crontab -e.",
  });
}

/** True for the line that `schedule install` wrote. */
export function isOurs(line: string): boolean {
  return line.trimEnd().endsWith(mark);
}
