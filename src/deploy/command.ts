import { spawn, type ChildProcess } from "node:child_process";
import { stat } from "node:fs/promises";
import { StringDecoder } from "node:string_decoder";
import type { HookSetting } from "../certificate.ts";
import { splitWords } from "../options/words.ts";
import { Problem } from "../problem.ts";
import type { Variables } from "./environment.ts";
import type { Redact } from "./secrets.ts";
import type { DeployTools } from "./tools.ts";
import { firstWords, lastWords } from "../shorten.ts";

/** A program, ready to be run. */
export interface Command {
  /** For messages and the log. */
  readonly title: string;
  readonly argv: readonly string[];
  readonly env: Variables;
  readonly cwd?: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

export type CommandTools = Pick<DeployTools, "log" | "clock" | "signal">;

/** Milliseconds. */
export const commandTimeout = 120_000;

/** The program and its arguments that a hook says. Throws a Problem for a text that cannot be split. */
export function argvOf({ run, shell }: HookSetting): readonly string[] {
  if (typeof run !== "string") return run;
  if (shell === true) return ["/bin/sh", "-c", run];
  const words = splitWords(run);
  if (words !== undefined && words.length > 0) return words;
  throw new Problem("deploy", {
    detail: `The command \`${run}\` has an unclosed quote.`,
    hint: "Close it, or give the command as a list of a program and its arguments.",
    retryable: false,
  });
}

/**
 * Run a program in a process group of its own, with no input. Rejects with a `deploy` Problem that says what it printed last,
 * or with the signal's reason; whatever still runs of the group is ended then.
 */
export async function runCommand(
  command: Command,
  redact: Redact,
  { log, clock, signal }: CommandTools,
): Promise<void> {
  signal.throwIfAborted();
  const child = await start(command);
  const tail = readTail(child, (line) => log.debug(`${command.title}: ${redact(line)}`));
  const ended = endOf(child);
  const over = new AbortController();
  const late = clock
    .sleep(command.timeout, AbortSignal.any([over.signal, signal]))
    .then(() => "late" as const)
    .catch(() => "stopped" as const);
  const first = await Promise.race([ended, late]);
  over.abort();
  if (first === "late" || first === "stopped") await endGroup(child, ended, clock);
  const said = redact(await tail());
  signal.throwIfAborted();
  const end = await ended;
  if (first === "late")
    throw failed(command, `did not end within ${seconds(command.timeout)}`, said);
  if ("error" in end) throw failed(command, await startFailure(end.error, command), said);
  if (end.code !== 0) throw failed(command, exitText(end, command), said);
}

async function start(command: Command) {
  const { cwd, env } = command;
  const [program = "", ...args] = command.argv;
  try {
    return spawn(program, args, {
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      cwd,
    });
  } catch (error) {
    // Some failures are thrown, others are events.
    if (!(error instanceof Error)) throw error;
    throw failed(command, await startFailure(error, command), "");
  }
}

type End =
  | { readonly error: NodeJS.ErrnoException }
  | { readonly code: number | null; readonly signal: NodeJS.Signals | null };

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ error }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
}

const keptLines = 20;
const keptCharacters = 4000;
/** A daemon that the command has started may keep its output open for ever. */
const outputGrace = 500;

/** Hands on each line, and answers the last ones when the output has ended. */
function readTail(child: ChildProcess, line: (text: string) => void): () => Promise<string> {
  const lines: string[] = [];
  const take = (text: string) => {
    const shown = firstWords(text.replaceAll(/\p{Cc}/gu, " ").trimEnd(), keptCharacters);
    if (shown === "") return;
    line(shown);
    lines.push(shown);
    if (lines.length > keptLines) lines.shift();
  };
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  const ends = streams.map(async (stream) => {
    const decoder = new StringDecoder("utf8");
    let rest = "";
    stream.on("data", (chunk: Buffer) => {
      const whole = (rest + decoder.write(chunk)).split("\n");
      rest = lastWords(whole.pop() ?? "", keptCharacters);
      whole.forEach(take);
    });
    // What was read before an error is kept; the exit code decides.
    stream.on("error", () => undefined);
    await new Promise<void>((resolve) => stream.once("close", () => resolve()));
    take(rest + decoder.end());
  });
  return async () => {
    const grace = setTimeout(() => streams.forEach((stream) => stream.destroy()), outputGrace);
    await Promise.all(ends);
    clearTimeout(grace);
    return lines.join("\n").slice(-keptCharacters);
  };
}

/** Milliseconds between asking a group to end and ending it. */
const groupGrace = 3000;

async function endGroup(
  child: ChildProcess,
  ended: Promise<End>,
  clock: CommandTools["clock"],
): Promise<void> {
  signalGroup(child, "SIGTERM");
  const over = new AbortController();
  await Promise.race([ended, clock.sleep(groupGrace, over.signal).catch(() => undefined)]);
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

function failed(command: Command, why: string, said: string): Problem {
  const tail = said === "" ? " It printed nothing." : ` It printed last:\n${said}`;
  const hint = hintFor(command);
  return new Problem("deploy", {
    detail: `${command.title} ${why}.${tail}`,
    hint,
  });
}

/** A word that only a shell understands, in a command that runs without one: people paste shell lines. */
export function shellWordIn(hook: HookSetting): string | undefined {
  return typeof hook.run === "string" && hook.shell !== true
    ? shellWordOf(splitWords(hook.run) ?? [])
    : undefined;
}

function shellWordOf(argv: readonly string[]): string | undefined {
  if (argv[0] === "/bin/sh") return undefined;
  return argv.slice(1).find((word) => /^(&&|\|\|?|;|[<>]{1,2}|2>&1)$|[^\\];$/u.test(word));
}

function hintFor({ argv }: Command): string | undefined {
  const shellWord = shellWordOf(argv);
  if (shellWord === undefined) return undefined;
  return `Add \`shell: true\`: \`${shellWord}\` needs a shell, and this command runs without one.`;
}

async function startFailure(error: NodeJS.ErrnoException, { argv, cwd }: Command): Promise<string> {
  const [program = ""] = argv;
  const code = error.code ?? error.message;
  if (code === "ENOENT" && cwd !== undefined && !(await exists(cwd))) {
    return `cannot be run: its folder ${cwd} does not exist`;
  }
  if (code === "ENOENT" && program.includes("/") && (await exists(program))) {
    return `cannot be run: ${program} exists, but the interpreter that its first line names does not`;
  }
  if (code === "ENOENT") return `cannot be run: the program ${program} was not found`;
  if (code === "EACCES") return `cannot be run: ${program} is not executable by this user`;
  if (code === "ENOEXEC") return `cannot be run: ${program} is not a program and has no #! line`;
  return `cannot be run: ${program} (${code})`;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function exitText(
  { code, signal }: { code: number | null; signal: NodeJS.Signals | null },
  { argv }: Command,
): string {
  if (signal !== null) return `was killed by ${signal}`;
  const meaning = argv[0] === "/bin/sh" ? shellCodes[code ?? 0] : undefined;
  return `failed with exit code ${code}${meaning === undefined ? "" : ` (${meaning})`}`;
}

const shellCodes: Readonly<Record<number, string>> = {
  126: "the shell may not execute the program",
  127: "the shell did not find the program: give its full path, since cron's PATH is short",
};

function seconds(milliseconds: number): string {
  return milliseconds >= 1000 ? `${Math.round(milliseconds / 1000)} s` : `${milliseconds} ms`;
}
