import { stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { isSea } from "node:sea";
import { systemReason } from "../errors.ts";
import { fromSource, packageFolder } from "../installation.ts";
import { formatDuration } from "../options/duration.ts";
import type { Log } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { Times } from "./times.ts";

/** How this acmectl is started, by absolute paths: schedulers know nothing of a shell's PATH, nor of version managers. */
export interface InstalledProgram {
  readonly node: string;
  /** Options of Node.js: against its inspector, and to run acmectl from source. */
  readonly nodeOptions: readonly string[];
  /** Absent for the single executable, which has it inside. */
  readonly script?: string | undefined;
}

/** What the scheduler runs. All paths are absolute. */
export interface Job {
  readonly program: InstalledProgram;
  /** For `--state`, when it is not the folder. */
  readonly statePlace?: string | undefined;
  readonly stateFolder: string;
  /** Of a shared state: its keys by reference, and this host's folder. */
  readonly stateArguments?: readonly string[] | undefined;
  /** Absent when there is no config file and none was named. */
  readonly configPath?: string | undefined;
  readonly jitter: boolean;
  /** Variables for the run, one `NAME=value` a line. */
  readonly environmentFile?: string | undefined;
}

export function installedProgram(): InstalledProgram {
  if (isSea()) return { node: process.execPath, nodeOptions: [] };
  return {
    node: process.execPath,
    nodeOptions: [...quietSignal, ...(fromSource ? ["--conditions=source"] : [])],
    script: join(packageFolder, "bin", "acmectl.js"),
  };
}

/** The handler in bin/acmectl.js comes some milliseconds after the start. Node.js has this option since 22.14. */
const quietSignal = ["--disable-sigusr1"].filter((option) =>
  process.allowedNodeEnvironmentFlags.has(option),
);

/** The words after Node.js and its options. */
export function wordsOf(job: Job, { every }: Times): readonly string[] {
  const wait = job.jitter ? ["--jitter"] : [];
  return lineOf(job, ["renew", "-q", "--every", formatDuration(every * 60_000), ...wait]);
}

/** The same for a command, with what the job says of state and config. */
export function lineOf(
  { program, stateFolder, statePlace = stateFolder, stateArguments = [], configPath }: Job,
  command: readonly string[],
): readonly string[] {
  const config = configPath === undefined ? [] : ["--config", configPath];
  const script = program.script === undefined ? [] : [program.script];
  return [...script, ...command, "--state", statePlace, ...stateArguments, ...config];
}

/** Throws a Problem if Node.js or acmectl is in a folder that is cleaned, so that the schedule would break unseen. */
export function assertLasting(
  program: InstalledProgram,
  temporaryFolders: readonly string[],
): void {
  const place = temporaryPlaceOf(program, temporaryFolders);
  if (place === undefined) return;
  throw new Problem("machine", {
    title: "acmectl is not installed permanently",
    detail: `${place}, and a schedule that starts it would fail once that is cleaned.`,
    hint: "Install acmectl in a permanent place and run `acmectl schedule install` from there, or use --force.",
  });
}

/** Undefined if no part of the program is in a folder that is cleaned. */
export function temporaryPlaceOf(
  { node, script }: InstalledProgram,
  temporaryFolders: readonly string[],
): string | undefined {
  for (const path of [script, node]) {
    const why = path === undefined ? undefined : vanishing(path, temporaryFolders);
    if (why !== undefined) return `${path} is in ${why}`;
  }
  return undefined;
}

/** A unit and a crontab are lines: what follows a line break in a path would be a line of its own, run as this user. */
export function assertOneLine(paths: readonly (string | undefined)[]): void {
  const broken = paths.find((path) => path !== undefined && /\p{Cc}/u.test(path));
  if (broken === undefined) return;
  throw new Problem("usage", {
    title: "A path that a schedule cannot contain",
    detail: `${JSON.stringify(broken)} contains a line break or another control character.`,
    hint: "Rename the folder or the file, and install the schedule again.",
  });
}

function vanishing(path: string, temporaryFolders: readonly string[]): string | undefined {
  const parts = path.split(sep);
  if (parts.includes("_npx")) return "npx's cache";
  if (parts.some((part) => part === "dlx" || part.startsWith("dlx-"))) return "pnpm's cache";
  const folder = temporaryFolders.find((one) => path.startsWith(`${one}${sep}`));
  return folder === undefined ? undefined : `the temporary folder ${folder}`;
}

/** A missing file would fail every run. */
export async function assertEnvironmentFile(path: string, log: Log): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new Problem("usage", {
      detail: `--environment-file: ${path} cannot be read: ${systemReason(cause)}`,
      hint: "Write it first, one NAME=value a line, with mode 0600. To install without one: --environment-file none.",
      cause,
    });
  });
  if (found.isFile() && (found.mode & 0o077) !== 0)
    log.warn(`${path} can be read by others: chmod 600 ${path}`, { step: "schedule" });
}
