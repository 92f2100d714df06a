import { stat } from "node:fs/promises";
import type { HookSetting } from "../certificate.ts";
import { splitWords } from "../options/words.ts";
import { Problem } from "../problem.ts";
import { runProgram } from "../run-program.ts";
import type { Variables } from "./environment.ts";
import { redactor, type Redact } from "./secrets.ts";
import type { DeployTools } from "./tools.ts";
import { firstWords, lastWords } from "../shorten.ts";

export interface Command {
  readonly title: string;
  readonly argv: readonly string[];
  readonly env: Variables;
  readonly cwd?: string | undefined;
  readonly input?: string | undefined;
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
 * Run a program in a process group of its own. Rejects with a `deploy` Problem that says what it printed last,
 * or with the signal's reason; whatever still runs of the group is ended then.
 */
export async function runCommand(
  command: Command,
  redact: Redact,
  { log, clock, signal }: CommandTools,
): Promise<void> {
  const lines: string[] = [];
  const onLine = (text: string) => {
    const line = text.replaceAll(/\p{Cc}/gu, " ").trimEnd();
    if (line === "") return;
    log.debug(`${command.title}: ${firstWords(redact(line), keptCharacters)}`);
    lines.push(line);
    if (lines.length > keptLines) lines.shift();
  };
  const { end, timedOut } = await runProgram({ ...command, signal, clock, onLine });
  // Masked before it is cut: half of a secret would not be recognized.
  const masked = redact(lines.join("\n")).split("\n");
  const short = masked.map((line) => firstWords(line, keptCharacters)).join("\n");
  const said = lastWords(short, keptCharacters);
  if (timedOut) throw failed(command, `did not end within ${seconds(command.timeout)}`, said);
  if (typeof end === "string" && !end.startsWith("SIG"))
    throw failed(command, await startFailure(end, command), said);
  if (end !== 0) throw failed(command, exitText(end, command), said);
}

/**
 * Run a command of the user's with `inherited` and `variables`, and the variables that it asks for by name, of which it may
 * print nothing.
 */
export async function runHook(
  hook: HookSetting,
  title: string,
  { inherited, variables, redact }: HookContext,
  tools: CommandTools & Pick<DeployTools, "env">,
): Promise<void> {
  const { timeout = commandTimeout, cwd, passEnv = [] } = hook;
  const passed: Record<string, string> = {};
  for (const name of passEnv) {
    const value = tools.env[name];
    if (value !== undefined && !Object.hasOwn(inherited, name)) passed[name] = value;
  }
  const env = { ...inherited, ...passed, ...variables };
  const hide = redactor(Object.values(passed));
  const redactAll = redact === undefined ? hide : (text: string) => hide(redact(text));
  await runCommand({ title, argv: argvOf(hook), env, timeout, cwd }, redactAll, tools);
}

interface HookContext {
  readonly inherited: Variables;
  readonly variables: Variables;
  readonly redact?: Redact;
}

const keptLines = 20;
const keptCharacters = 4000;

function failed(command: Command, why: string, said: string): Problem {
  const tail = said === "" ? " It printed nothing." : ` It printed last:\n${said}`;
  const detail = `${command.title} ${why}.${tail}`;
  return new Problem("deploy", { detail, hint: hintFor(command) });
}

/** A word that only a shell understands, in a command that runs without one: people paste shell lines. */
export function shellWordIn({ run, shell }: HookSetting): string | undefined {
  if (typeof run !== "string" || shell === true) return undefined;
  return shellWordOf(splitWords(run) ?? []);
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

async function startFailure(code: string, { argv, cwd }: Command): Promise<string> {
  const [program = ""] = argv;
  if (code === "ENOENT" && cwd !== undefined && !(await exists(cwd)))
    return `cannot be run: its folder ${cwd} does not exist`;
  if (code === "ENOENT" && program.includes("/") && (await exists(program)))
    return `cannot be run: ${program} exists, but the interpreter that its first line names does not`;
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

function exitText(end: number | string, { argv }: Command): string {
  if (typeof end === "string") return `was killed by ${end}`;
  const meaning = argv[0] === "/bin/sh" ? shellCodes[end] : undefined;
  return `failed with exit code ${end}${meaning === undefined ? "" : ` (${meaning})`}`;
}

const shellCodes: Readonly<Record<number, string>> = {
  126: "the shell may not execute the program",
  127: "the shell did not find the program: give its full path, since cron's PATH is short",
};

function seconds(milliseconds: number): string {
  return milliseconds >= 1000 ? `${Math.round(milliseconds / 1000)} s` : `${milliseconds} ms`;
}
