/** One command, from the words to the exit code. */
import { commandSource } from "../commands/definitions.ts";
import { contextOf } from "./context.ts";
import { globalOptions } from "../options/declared/global.ts";
import { type OptionSources, resolveOptions } from "../options/resolve.ts";
import { columnsOf } from "../output/colour.ts";
import { openOutput, type Output, type OutputSettings } from "../output/output.ts";
import { type ExitCode, Problem } from "../problem.ts";
import { type CommandLine, readCommandLine } from "./program.ts";
import { firstWords } from "./words.ts";
import type { Run } from "../environment.ts";
import { version } from "../version.ts";

/** Never rejects. */
export async function execute(run: Run): Promise<ExitCode> {
  const shown = { output: openOutput(firstSettings(run)), command: typedCommand(run) };
  try {
    const line = await read(run);
    if (line.kind === "text") {
      run.environment.stdout.write(line.text);
      return 0;
    }
    shown.command = line.command.name;
    const { settings, sources, values } = await globals(line, run);
    shown.output = openOutput(settings);
    const options = await resolveOptions(
      line.command.options,
      sourcesOf(run, line.flags, shown.output),
    );
    const context = contextOf({
      run,
      command: shown.command,
      typed: line,
      globals: values,
      sources: { ...sources, ...options.sources },
      output: shown.output,
    });
    const result = await line.command.run(options.values, context);
    shown.output.result(shown.command, result);
    return result.exitCode;
  } catch (error) {
    return fail(error, shown, run.environment.signal);
  } finally {
    shown.output.close();
  }
}

/** The command that the words begin with, for failures before anything is read from them. */
function typedCommand({ argv, parts }: Run): string {
  const { names } = parts.commands ?? commandSource();
  const words = firstWords(argv);
  const length = [2, 1].find((length) => names.includes(words.slice(0, length).join(" ")));
  return length === undefined ? "acmectl" : words.slice(0, length).join(" ");
}

async function read({ argv, environment, parts, versions }: Run): Promise<CommandLine> {
  const { env, cwd, stdout } = environment;
  return readCommandLine(argv, {
    commands: parts.commands ?? commandSource(),
    loadSolver: parts.loadSolver ?? loadSolver,
    env,
    cwd,
    version: versions,
    width: Math.min(columnsOf(stdout) ?? 100, 120),
  });
}

async function loadSolver(name: string, from: { cwd: string }) {
  const registry = await import("../solvers/registry.ts");
  return registry.loadSolver(name, from);
}

async function globals(line: Extract<CommandLine, { kind: "command" }>, run: Run) {
  const { values, sources } = await resolveOptions(
    globalOptions,
    sourcesOf(run, line.globalFlags, { mask: () => {} }),
  );
  if (values.quiet === true && values.verbose === true) {
    throw new Problem("usage", {
      detail: `${sources["quiet"]} and ${sources["verbose"]} contradict each other.`,
      hint: "Give one of them.",
    });
  }
  const { stdout, stderr, env, clock } = run.environment;
  const colour = values.color === undefined ? {} : { FORCE_COLOR: values.color ? "1" : "0" };
  const settings: OutputSettings = {
    stdout,
    stderr,
    clock,
    version,
    env: { ...env, ...colour },
    json: values.json ?? false,
    logFormat: values.logFormat,
    quiet: values.quiet ?? false,
    verbose: values.verbose ?? false,
  };
  return { values, sources, settings };
}

function sourcesOf(
  { environment: { env, cwd, signal } }: Run,
  flags: Readonly<Record<string, unknown>>,
  { mask }: Pick<Output, "mask">,
): OptionSources {
  return { flags, env, cwd, signal, mask: (secret) => mask(secret) };
}

/** For what goes wrong before the options are known, as far as a glance can tell. */
function firstSettings({ argv, environment }: Run): OutputSettings {
  const { stdout, stderr, env, clock } = environment;
  const before = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  return {
    stdout,
    stderr,
    env: before.includes("--no-color") ? { ...env, FORCE_COLOR: "0" } : env,
    clock,
    version,
    json: before.includes("--json") || /^(1|true|yes|on)$/i.test(env["ACMECTL_JSON"] ?? ""),
    logFormat: "text",
    quiet: false,
    verbose: before.includes("--verbose") || before.includes("-v"),
  };
}

/** An interrupted run failed because it was interrupted, whatever it says of it. */
function fail(
  thrown: unknown,
  { output, command }: { output: Output; command: string },
  signal: AbortSignal,
): ExitCode {
  const error: unknown = signal.aborted ? signal.reason : thrown;
  if (error !== thrown) output.log.debug("Failed while stopping", { error: String(thrown) });
  if (Problem.is(error)) {
    output.problem(command, error);
    return error.exitCode;
  }
  output.bug(command, error);
  return 1;
}
