import { Readable } from "node:stream";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { CommandDefinition } from "../../src/commands/command.ts";
import type { Environment } from "../../src/environment.ts";
import { main } from "../../src/main.ts";
import { splitWords } from "../../src/options/words.ts";
import type { ExitCode } from "../../src/problem.ts";
import type { Replacements } from "../../src/program/execute.ts";
import type { Excused } from "./invariants/invariants.ts";
import { surrounded } from "./invariants/surroundings.ts";
import { watchRun } from "./invariants/watch.ts";

export interface RunOptions {
  /** All of the environment; nothing is taken over from the test's own. */
  env?: Record<string, string>;
  cwd?: string;
  uid?: number;
  /** What is typed in; with `terminal`, a person types it. */
  stdin?: string | Readable;
  terminal?: boolean;
  signal?: AbortSignal;
  clock?: Clock;
  onHangup?: Environment["onHangup"];
  columns?: number;
  parts?: Replacements;
  /** Invariants that this run breaks on purpose, each with the reason. */
  excused?: Excused | undefined;
}

export interface Ran {
  code: ExitCode;
  stdout: string;
  stderr: string;
}

/**
 * Runs `acmectl <line>` in this process, by main; quotes in the line mean what they mean to a shell. An array is taken as it is.
 * Rejects if the run breaks an invariant.
 */
export async function run(
  line: string | readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const { env = {}, parts } = options;
  const goal = "exit code 0 means that the goal is met";
  const isOther = parts?.commands !== undefined;
  const excused = isOther
    ? { [goal]: "a test's own command", ...options.excused }
    : options.excused;
  const words = argvOf(line);
  const check = watchRun({ words, env }, excused);
  const [ran, surroundings] = await surrounded(() => runUnwatched(words, options));
  await check({ ...ran, surroundings });
  return ran;
}

/** The same without a look at the invariants, for tests of a thousand runs. */
export async function runUnwatched(
  words: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const { terminal = false, env = {}, parts } = options;
  const stdout = sink(terminal, options.columns);
  const stderr = sink(terminal, options.columns);
  const typed = options.stdin ?? "";
  const stdin = typeof typed === "string" ? Readable.from(typed === "" ? [] : [typed]) : typed;
  const environment = {
    env,
    cwd: options.cwd ?? process.cwd(),
    uid: options.uid ?? 1000,
    node: process.version,
    stdin: Object.assign(stdin, { isTTY: terminal }),
    stdout,
    stderr,
    signal: options.signal ?? new AbortController().signal,
    clock: options.clock ?? systemClock,
    onHangup: options.onHangup,
  };
  const code = await main(words, environment, parts);
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** Commands that a test makes up, in place of those of `src/commands`. */
export function commandsOf(...commands: readonly CommandDefinition[]): Replacements {
  const byName = new Map(commands.map((command) => [command.name, command]));
  return {
    commands: {
      names: [...byName.keys()].toSorted(),
      load: async (name) => byName.get(name),
      summaries: async () =>
        Object.fromEntries(commands.map(({ name, summary }) => [name, summary])),
    },
  };
}

function argvOf(line: string | readonly string[]): readonly string[] {
  if (typeof line !== "string") return line;
  const words = splitWords(line);
  if (words === undefined) throw new Error(`A quote is left open in: ${line}`);
  return words;
}

function sink(isTTY: boolean, columns: number | undefined) {
  let written = "";
  return { isTTY, columns, write: (text: string) => (written += text), text: () => written };
}
