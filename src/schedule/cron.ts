import { Problem } from "../problem.ts";
import { type Job, wordsOf } from "./job.ts";
import { type Machine, runProgram } from "./machine.ts";
import { cronTimes, type Times } from "./times.ts";

type System = Pick<Machine, "env" | "signal">;

/** Marks a line as ours; a comment to the shell. */
const mark = "# acmectl schedule";

/** cron's own PATH lacks the folders of web servers and systemctl on many systems. */
const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function cronLine(job: Job, times: Times): string {
  const { node, nodeOptions } = job.program;
  const variables = job.environmentFile === undefined ? [] : [`--env-file=${job.environmentFile}`];
  const words = [node, ...nodeOptions, ...variables, ...wordsOf(job, times)].map(quoted);
  return `${cronTimes(times)} PATH=${path} ${words.join(" ")} ${mark}`;
}

/** For the shell, and for cron, to which a bare percent sign ends the line. */
function quoted(word: string): string {
  const shell = /^[\w@+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
  return shell.replaceAll("%", "\\%");
}

/** The file of Node.js's `--env-file` in a line that `cronLine` wrote. */
export function environmentFileIn(line: string): string | undefined {
  const found = / (?:'--env-file=((?:[^']|'\\'')+)'|--env-file=(\S+)) /.exec(line);
  return (found?.[1] ?? found?.[2])?.replaceAll(`'\\''`, "'").replaceAll("\\%", "%");
}

export function isOurs(line: string): boolean {
  return line.trimEnd().endsWith(mark);
}

/** The lines of the user's crontab; undefined when this machine has no crontab(1). Rejects when it cannot be read. */
export async function readCrontab(system: System): Promise<readonly string[] | undefined> {
  const ended = await runProgram("crontab", ["-l"], system);
  if (ended === undefined) return undefined;
  if (ended.code === 0) return ended.stdout.replace(/\n$/, "").split("\n");
  // crontab(1) has one code for "none yet" and for every failure; only the former may be overwritten.
  if (/^(crontab: )?(no crontab for|can't open)/m.test(ended.stderr)) return [];
  throw new Problem("machine", {
    detail: `crontab -l failed (${ended.code}): ${ended.stderr.trim() || "no message"}`,
    hint: "Check /etc/cron.allow and /etc/cron.deny: this user may not be allowed to use cron. Ask root, or have root run `acmectl schedule install`.",
  });
}

/** Replaces the user's crontab; one that would be empty is removed. */
export async function writeCrontab(lines: readonly string[], system: System): Promise<void> {
  const isEmpty = lines.every((line) => line.trim() === "");
  const ended = isEmpty
    ? await runProgram("crontab", ["-r"], system)
    : await runProgram("crontab", ["-"], system, `${lines.join("\n")}\n`);
  if (ended?.code === 0) return;
  throw new Problem("machine", {
    detail: `The crontab could not be written: ${ended?.stderr.trim() || "crontab failed"}. Nothing was changed.`,
    hint: "Add the line of `acmectl schedule install --by cron --dry-run` by hand with crontab -e.",
  });
}
