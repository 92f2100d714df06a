/** Starts programs: whether one can be started, and one run with its output and time limit. */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { codeOf, messageOf } from "acmectl/plugin/http";

export interface RunSettings {
  readonly argv: readonly [program: string, ...args: string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined for the current one. */
  readonly directory: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** Applied to whole lines, before they are cut, kept or logged. */
  readonly mask: (text: string) => string;
  readonly onLine: (line: string) => void;
  /** Called every 15 s with the seconds that the program has been running. */
  readonly onWait: (seconds: number) => void;
}

export interface Ran {
  /** Its exit code, the signal that killed it, or the error code for why it did not start. */
  readonly end: number | string;
  readonly timedOut: boolean;
  /** The beginning of stdout, masked and trimmed. */
  readonly output: string;
  /** The last lines of stdout and stderr, masked. */
  readonly lastLines: readonly string[];
}

const mostOutput = 16_384;
const mostLines = 20;
const longestLine = 1_000;
/** Milliseconds from SIGTERM to SIGKILL. */
const patience = 3_000;
const reportInterval = 15_000;

/** One run of a program, without input. Rejects only when the signal aborts; then its children are killed too. */
export async function run(settings: RunSettings): Promise<Ran> {
  const { timeout, signal, mask, onLine, onWait } = settings;
  signal.throwIfAborted();
  const child = start(settings);
  if (typeof child === "string") return { end: child, timedOut: false, output: "", lastLines: [] };
  const lines: string[] = [];
  let output = "";
  let seconds = 0;
  const reading = [child.stdout, child.stderr].map((stream) =>
    readLines(stream, (raw) => {
      const line = mask(raw);
      const short = line.length > longestLine ? `${line.slice(0, longestLine)}…` : line;
      lines.push(short);
      if (lines.length > mostLines) lines.shift();
      if (stream === child.stdout && output.length < mostOutput) output += `${line}\n`;
      onLine(short);
    }),
  );
  const { promise: ended, resolve: end } = Promise.withResolvers<number | string>();
  child.on("error", (error) => end(codeOf(error) || error.message));
  child.once("exit", (code, killedBy) => end(code ?? killedBy ?? "unknown"));
  const guard = guarding(child.pid, timeout, signal);
  const waiting = setInterval(() => onWait((seconds += reportInterval / 1_000)), reportInterval);
  const how = await ended;
  clearInterval(waiting);
  guard.stop();
  // A background process that it left may keep the pipes open.
  const late = setTimeout(() => [child.stdout, child.stderr].map((s) => s.destroy()), 500);
  await Promise.all(reading);
  clearTimeout(late);
  signal.throwIfAborted();
  return {
    end: how,
    timedOut: guard.timedOut(),
    output: output.slice(0, mostOutput).trim(),
    lastLines: lines,
  };
}

/** The error code if the system refuses at once, as for a working directory that is a file, or too long arguments. */
function start({ argv: [program, ...args], env, directory }: RunSettings) {
  try {
    return spawn(program, args, {
      cwd: directory,
      env,
      // Its own process group, so that its children can be killed with it.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    return codeOf(error) || messageOf(error);
  }
}

async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const reader = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  reader.on("line", onLine);
  // It repeats the errors of its input.
  reader.on("error", () => reader.close());
  await new Promise<void>((resolve) => {
    reader.once("close", resolve);
    stream.once("close", () => reader.close());
    stream.on("error", () => reader.close());
  });
}

function guarding(pid: number | undefined, timeout: number, signal: AbortSignal) {
  let timedOut = false;
  let killing: NodeJS.Timeout | undefined;
  const stop = () => {
    killGroup(pid, "SIGTERM");
    killing ??= setTimeout(() => killGroup(pid, "SIGKILL"), patience);
  };
  const timer = setTimeout(() => {
    timedOut = true;
    stop();
  }, timeout);
  signal.addEventListener("abort", stop, { once: true });
  return {
    timedOut: () => timedOut,
    stop() {
      clearTimeout(timer);
      clearTimeout(killing);
      signal.removeEventListener("abort", stop);
      // Its children may have ignored SIGTERM.
      if (timedOut || signal.aborted) killGroup(pid, "SIGKILL");
    },
  };
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has already ended.
  }
}

/** The error code for why the program cannot be started (ENOENT, EACCES, EISDIR); undefined if it can. */
export async function runnable(
  program: string,
  {
    directory = "",
    path,
  }: { readonly directory?: string | undefined; readonly path?: string | undefined },
): Promise<string | undefined> {
  const places = program.includes("/")
    ? [resolve(directory, program)]
    : (path ?? "/usr/bin:/bin")
        .split(delimiter)
        .map((folder) => resolve(directory, folder, program));
  let reason: string | undefined = "ENOENT";
  for (const place of places) {
    const found = await reasonFor(place, constants.X_OK);
    if (found === undefined) return undefined;
    if (found !== "ENOENT" && found !== "ENOTDIR") reason = found;
  }
  return reason;
}

/** The same for a folder to work in. */
export function enterable(folder: string): Promise<string | undefined> {
  return reasonFor(folder, constants.X_OK, true);
}

/** The same for a file to read. */
export function readable(file: string): Promise<string | undefined> {
  return reasonFor(file, constants.R_OK);
}

async function reasonFor(
  path: string,
  mode: number,
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
