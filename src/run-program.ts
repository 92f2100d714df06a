/** Runs programs, each in a process group of its own, so that it ends with its children. */
import type { ChildProcess, ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { systemClock, type Clock } from "./clock.ts";
import { codeOf, messageOf } from "./errors.ts";

export interface Program {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The current folder when absent. */
  readonly cwd?: string | undefined;
  /** For its standard input, which is empty when absent. */
  readonly input?: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** Gets each line of its output. Secrets are to be masked before a line is cut. */
  readonly onLine: (line: string, from: "stdout" | "stderr") => void;
  readonly clock?: Clock | undefined;
}

export interface ProgramEnd {
  /** Its exit code, the signal that killed it, or the code of the error for which it did not start. */
  readonly end: number | string;
  readonly timedOut: boolean;
}

/** Milliseconds for which a daemon that the program has left may keep its output open. */
const outputGrace = 500;

/** One run. Rejects only with the signal's reason; then its children are killed, as after the time limit. */
export async function runProgram(program: Program): Promise<ProgramEnd> {
  const { timeout, signal, onLine, clock = systemClock } = program;
  signal.throwIfAborted();
  const child = await start(program);
  if (typeof child === "string") return { end: child, timedOut: false };
  const { stdout, stderr } = child;
  const forget = endOnExit(child);
  const reading = Promise.all([
    readLines(stdout, (line) => onLine(line, "stdout")),
    readLines(stderr, (line) => onLine(line, "stderr")),
  ]);
  const ended = endOf(child);
  const over = new AbortController();
  const late = clock.sleep(timeout, AbortSignal.any([over.signal, signal])).then(
    () => "late" as const,
    () => undefined,
  );
  const first = await Promise.race([ended, late]);
  over.abort();
  if (first === "late" || signal.aborted) await endGroup(child, ended, clock);
  const grace = setTimeout(() => [stdout, stderr].forEach((one) => one.destroy()), outputGrace);
  await reading;
  clearTimeout(grace);
  forget();
  signal.throwIfAborted();
  return { end: await ended, timedOut: first === "late" };
}

const running = new Set<ChildProcess>();

function endRunning(): void {
  for (const child of running) signalGroup(child, "SIGKILL");
}

/** A process that exits, as at a second Ctrl-C, leaves no program running. Answers a function that ends this. */
function endOnExit(child: ChildProcess): () => void {
  if (running.size === 0) process.on("exit", endRunning);
  running.add(child);
  return () => {
    running.delete(child);
    if (running.size === 0) process.off("exit", endRunning);
  };
}

type Started = ChildProcessByStdio<Writable | null, Readable, Readable>;

/** The error's code if the system refuses at once, as for a folder that is a file, or too long arguments. */
async function start({
  argv: [program = "", ...args],
  env,
  cwd,
  input,
}: Program): Promise<Started | string> {
  const { spawn } = await import("node:child_process");
  try {
    const options = { cwd, env, detached: true };
    if (input === undefined)
      return spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    const child = spawn(program, args, { ...options, stdio: "pipe" });
    // A program that is missing or ends early has closed its input already.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    return child;
  } catch (error) {
    return codeOf(error) || messageOf(error);
  }
}

function endOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(codeOf(error) || error.message));
    child.once("exit", (code, killedBy) => resolve(code ?? killedBy ?? "unknown"));
  });
}

/** A longer line comes in parts. */
const longestLine = 1_048_576;

async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  stream.on("data", (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split(/\r?\n/);
    rest = lines.pop() ?? "";
    if (rest.length > longestLine) lines.push(rest.slice(0, longestLine));
    if (rest.length > longestLine) rest = rest.slice(longestLine);
    lines.forEach(onLine);
  });
  // What was read before an error is kept; the exit code decides.
  stream.on("error", () => undefined);
  await new Promise<void>((resolve) => stream.once("close", () => resolve()));
  rest += decoder.end();
  if (rest !== "") onLine(rest);
}

/** Milliseconds between asking a group to end and killing it. */
const patience = 3_000;

async function endGroup(child: ChildProcess, ended: Promise<unknown>, clock: Clock): Promise<void> {
  signalGroup(child, "SIGTERM");
  const over = new AbortController();
  await Promise.race([ended, clock.sleep(patience, over.signal).catch(() => undefined)]);
  over.abort();
  // Members of the group may outlive its first process.
  signalGroup(child, "SIGKILL");
  await ended;
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended.
  }
}
