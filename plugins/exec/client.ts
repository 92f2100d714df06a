/** Starts programs: whether one can be started, and one run with its output and time limit. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, resolve } from "node:path";
import { codeOf, messageOf, runProgram } from "acmectl/plugin/http";
import type { Program, ProgramEnd } from "acmectl/plugin/http";

interface RunSettings extends Pick<Program, "argv" | "env" | "timeout" | "signal"> {
  /** The current one if undefined. */
  readonly directory: string | undefined;
  /** Applied to whole lines, before they are cut, kept or logged. */
  readonly mask: (text: string) => string;
  readonly onLine: (line: string) => void;
  /** Called every 15 s with the seconds that the program has been running. */
  readonly onWait: (seconds: number) => void;
}

export interface Ran extends ProgramEnd {
  /** The beginning of stdout, masked and trimmed. */
  readonly output: string;
  /** The last lines of stdout and stderr, masked. */
  readonly lastLines: readonly string[];
}

const mostOutput = 16_384;
const mostLines = 20;
const longestLine = 1_000;
const reportInterval = 15_000;

/** One run of a program. Rejects only with the signal's reason. */
export async function run({
  mask,
  onLine,
  onWait,
  directory,
  ...program
}: RunSettings): Promise<Ran> {
  const lastLines: string[] = [];
  let output = "";
  let seconds = 0;
  const take = (raw: string, from: "stdout" | "stderr") => {
    const line = mask(raw);
    const short = line.length > longestLine ? `${line.slice(0, longestLine)}…` : line;
    lastLines.push(short);
    if (lastLines.length > mostLines) lastLines.shift();
    if (from === "stdout" && output.length < mostOutput) output += `${line}\n`;
    onLine(short);
  };
  const waiting = setInterval(() => onWait((seconds += reportInterval / 1_000)), reportInterval);
  try {
    const ended = await runProgram({ ...program, cwd: directory, onLine: take });
    return { ...ended, output: output.slice(0, mostOutput).trim(), lastLines };
  } finally {
    clearInterval(waiting);
  }
}

/** The error code for why the program cannot be started (ENOENT, EACCES, EISDIR); undefined if it can. */
export async function runnable(
  program: string,
  directory = "",
  path = "/usr/bin:/bin",
): Promise<string | undefined> {
  const folders = program.includes("/") ? [""] : path.split(delimiter);
  const places = folders.map((folder) => resolve(directory, folder, program));
  let reason: string | undefined = "ENOENT";
  for (const place of places) {
    const found = await reasonFor(place, constants.X_OK);
    if (found === undefined) return undefined;
    if (found !== "ENOENT" && found !== "ENOTDIR") reason = found;
  }
  return reason;
}

/** The same for a file to read, or a folder to work in. */
export async function reasonFor(
  path: string,
  mode: number = constants.R_OK,
  wantsFolder = false,
): Promise<string | undefined> {
  try {
    const isFolder = (await stat(path)).isDirectory();
    if (isFolder !== wantsFolder) return isFolder ? "EISDIR" : "ENOTDIR";
    await access(path, mode);
    return undefined;
  } catch (error) {
    return codeOf(error) || messageOf(error);
  }
}
