/** One command, from the command line to the exit code. */
import { readFile } from "node:fs/promises";
import type { CommandDefinition } from "../commands/command.ts";
import { type CommandSource, commandSource } from "../commands/definitions.ts";
import type { Context, RunLog } from "../context.ts";
import type { Environment } from "../environment.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import { globalOptions } from "../options/declared/global.ts";
import type { OptionSources } from "../options/find.ts";
import { flagOf } from "../options/names.ts";
import { resolveOptions } from "../options/resolve.ts";
import { loadChalk } from "../output/colour.ts";
import { openOutput, type Output, type OutputSettings } from "../output/output.ts";
import { helpWidth } from "../prepared.ts";
import { type ExitCode, Problem } from "../problem.ts";
import type { StreamedResult } from "../result.ts";
import { withoutPassword } from "../state/url.ts";
import { version, versionLine } from "../version.ts";
import { contextOf, type LoadConfig } from "./context.ts";
import { type CommandLine, type LoadSolver, readCommandLine } from "./program.ts";
import { suggestionsFor } from "./suggested.ts";
import type { Timer } from "./timings.ts";
import { firstWords } from "./typed.ts";

/** What tests replace. */
export interface Replacements {
  readonly commands?: CommandSource | undefined;
  readonly loadSolver?: LoadSolver | undefined;
  readonly loadConfig?: LoadConfig | undefined;
}

/** Never rejects. */
export async function execute(
  argv: readonly string[],
  environment: Environment,
  replaced: Replacements,
): Promise<ExitCode> {
  const { commands = commandSource(), loadSolver = loadFromRegistry, loadConfig } = replaced;
  const { env, cwd, node, stdout } = environment;
  let output = openOutput(await settingsOf(firstLook(argv, env), environment));
  let command = typedCommand(argv, commands);
  let suggestions = suggestionsFor({}, []);
  let timer: Timer | undefined;
  try {
    const width = helpWidth(stdout);
    const program = { commands, loadSolver, env, cwd, version: versionLine(node), width };
    const typed = await readCommandLine(argv, program);
    if (typed.kind === "text") {
      stdout.write(typed.text);
      return await codeIfWritten(0, command, output, environment);
    }
    command = typed.command.name;
    const globals = await globalsOf(typed, environment);
    output = openOutput(await settingsOf(globals.values, environment));
    suggestions = suggestionsFor(typedPlaces(globals), commands.names);
    const sources = sourcesOf(typed.flags, environment, output);
    const options = await resolveOptions(typed.command.options, sources);
    const line = {
      command,
      typed,
      globals: globals.values,
      sources: { ...globals.sources, ...options.sources },
    };
    const log = suggestions.log(output.log);
    timer = await timerOf(options.values, log);
    const context = contextOf(line, environment, { ...output, log, ...timer }, loadConfig);
    const ended = await runAndNotify(typed.command, options.values, context);
    const result = timer === undefined ? ended : timer.added(ended);
    await output.result(command, suggestions.result(result));
    const code = result.problem?.exitCode ?? result.exitCode ?? 0;
    return await codeIfWritten(code, command, output, environment);
  } catch (error) {
    const shown = Problem.is(error) ? suggestions.problem(error) : error;
    return await fail(shown, command, { output, timer }, environment.signal);
  } finally {
    output.close();
  }
}

/** The command's own result or failure; a notification that fails is a warning. */
async function runAndNotify(
  command: CommandDefinition,
  options: OptionsOf<OptionDeclarations>,
  context: Context,
): Promise<StreamedResult> {
  try {
    return await command.run(options, context);
  } finally {
    if (command.notifies?.(options) === true && (await hasNotify(context))) {
      const { notifyAfterRun } = await import("../notify/notify.ts");
      await notifyAfterRun(context);
    }
  }
}

/** Most configs have no `notify`, and most runs do not read the config otherwise. */
async function hasNotify({ configPath }: Context): Promise<boolean> {
  const text = await readFile(configPath, "utf8").catch(() => "");
  return /^[^#\n]*\bnotify\b/mu.test(text);
}

/** With `--timings`. */
async function timerOf(values: Readonly<Record<string, unknown>>, log: RunLog) {
  if (values["timings"] !== true) return undefined;
  const { openTimer } = await import("./timings.ts");
  return openTimer(log);
}

/** The command that the words begin with, for failures before the command line is read. */
function typedCommand(argv: readonly string[], { names }: CommandSource): string {
  const words = firstWords(argv);
  const length = [2, 1].find((length) => names.includes(words.slice(0, length).join(" ")));
  return length === undefined ? "acmectl" : words.slice(0, length).join(" ");
}

const loadFromRegistry: LoadSolver = async (name, from) => {
  const registry = await import("../solvers/registry.ts");
  return registry.loadSolver(name, from);
};

async function globalsOf(
  { globalFlags }: Extract<CommandLine, { kind: "command" }>,
  environment: Environment,
) {
  const sources = sourcesOf(globalFlags, environment, { mask: () => {} });
  const globals = await resolveOptions(globalOptions, sources);
  if (globals.values.quiet !== true || globals.values.verbose !== true) return globals;
  throw new Problem("usage", {
    detail: `${globals.sources["quiet"]} and ${globals.sources["verbose"]} contradict each other.`,
    hint: "Give one of them.",
  });
}

/** Those that the environment sets need not be typed again. */
function typedPlaces({ values, sources }: Awaited<ReturnType<typeof globalsOf>>) {
  const typed = (option: "state" | "config") =>
    sources[option] === flagOf(option) ? values[option] : undefined;
  const state = typed("state");
  return { state: state && withoutPassword(state), config: typed("config") };
}

type Globals = Awaited<ReturnType<typeof globalsOf>>["values"];

async function settingsOf(
  globals: Pick<Globals, "color" | "json" | "logFormat" | "quiet" | "verbose">,
  { stdout, stderr, env, clock }: Environment,
): Promise<OutputSettings> {
  const { color, json = false, logFormat, quiet = false, verbose = false } = globals;
  const colour = color === undefined ? {} : { FORCE_COLOR: color ? "1" : "0" };
  const colours = { ...env, ...colour };
  const chalk = await loadChalk([stdout, stderr], colours);
  return { stdout, stderr, clock, version, env: colours, chalk, json, logFormat, quiet, verbose };
}

function sourcesOf(
  flags: Readonly<Record<string, unknown>>,
  { env, cwd, signal }: Environment,
  { mask }: Pick<Output, "mask">,
): OptionSources {
  return { flags, env, cwd, signal, mask: (secret) => mask(secret) };
}

/** For failures before the options are read: a first look at the words. */
function firstLook(argv: readonly string[], env: Environment["env"]) {
  const words = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const format =
    words.findLast((word) => word.startsWith("--log-format="))?.slice("--log-format=".length) ??
    (words.includes("--log-format") ? words[words.lastIndexOf("--log-format") + 1] : undefined) ??
    env["ACMECTL_LOG_FORMAT"];
  return {
    color: words.includes("--no-color") ? false : undefined,
    json: words.includes("--json") || /^(1|true|yes|on)$/i.test(env["ACMECTL_JSON"] ?? ""),
    logFormat: format === "json" ? ("json" as const) : ("text" as const),
    quiet: false,
    verbose: words.includes("--verbose") || words.includes("-v"),
  };
}

/** The work is done: its own failure says more than that of stdout. */
async function codeIfWritten(
  code: ExitCode,
  command: string,
  output: Output,
  { written }: Environment,
): Promise<ExitCode> {
  try {
    await written?.();
    return code;
  } catch (error) {
    if (!Problem.is(error)) throw error;
    output.problem(command, error);
    return code === 0 || code === 10 ? error.exitCode : code;
  }
}

/** A stopped run failed because it was stopped, whatever the error is. */
async function fail(
  thrown: unknown,
  command: string,
  { output, timer }: { readonly output: Output; readonly timer: Timer | undefined },
  signal: AbortSignal,
): Promise<ExitCode> {
  const isReason = Problem.is(thrown) && thrown.is("interrupted");
  const error: unknown = signal.aborted && !isReason ? signal.reason : thrown;
  if (error !== thrown) output.log.debug("Failed while stopping", { error: String(thrown) });
  if (Problem.is(error)) {
    if (timer === undefined) output.problem(command, error);
    else
      await output.result(
        command,
        timer.added({ document: { outcome: "failed" }, view: [], problem: error }),
      );
    return error.exitCode;
  }
  output.bug(command, error);
  return 1;
}
