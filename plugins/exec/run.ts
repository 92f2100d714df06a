/** One run of a program: no input, a time limit for all that it starts, its lines as they come. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

export interface RunSettings {
  readonly argv: readonly [program: string, ...args: string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** Applied to whole lines, before anything of them is kept, cut or handed on. */
  readonly mask: (text: string) => string;
  readonly onLine: (line: string) => void;
}

export interface Ran {
  /** Its exit code, the signal that ended it, or the system's word for why it did not begin. */
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
/** From the polite end to the other one, in milliseconds. */
const patience = 3_000;

/** Rejects only when the signal aborts; then everything that it started is ended too. */
export async function run(settings: RunSettings): Promise<Ran> {
  const { argv, env, directory, timeout, signal, mask, onLine } = settings;
  signal.throwIfAborted();
  const [program, ...args] = argv;
  // A process group of its own, so that what it started can be ended with it.
  const child = spawn(program, args, {
    cwd: directory,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  let output = "";
  const reading = [child.stdout, child.stderr].map((stream) =>
    readLines(stream, (said) => {
      const line = mask(said);
      const short = line.length > longestLine ? `${line.slice(0, longestLine)}…` : line;
      lines.push(short);
      if (lines.length > mostLines) lines.shift();
      if (stream === child.stdout && output.length < mostOutput) output += `${line}\n`;
      onLine(short);
    }),
  );
  const { promise: ended, resolve: end } = Promise.withResolvers<number | string>();
  child.once("error", (error) => end("code" in error ? String(error.code) : error.message));
  child.once("exit", (code, killedBy) => end(code ?? killedBy ?? "unknown"));
  const guard = guarding(child.pid, timeout, signal);
  const how = await ended;
  guard.stop();
  // What it left running in the background may hold the pipes open.
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

async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const reader = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  reader.on("line", onLine);
  await new Promise<void>((resolve) => {
    reader.once("close", resolve);
    stream.once("close", () => reader.close());
    stream.once("error", () => reader.close());
  });
}

function guarding(pid: number | undefined, timeout: number, signal: AbortSignal) {
  let timedOut = false;
  let killing: NodeJS.Timeout | undefined;
  const stop = () => {
    endGroup(pid, "SIGTERM");
    killing ??= setTimeout(() => endGroup(pid, "SIGKILL"), patience);
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
      // Its children may have ignored the polite end.
      if (timedOut || signal.aborted) endGroup(pid, "SIGKILL");
    },
  };
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone already.
  }
}
