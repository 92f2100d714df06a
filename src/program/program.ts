/** Builds commander's program from the command definitions, and reads the command line with it. */
import { Command, CommanderError, Option } from "commander";
import { type CommandSource, commandsFor } from "../commands/definitions.ts";
import type { CommandDefinition } from "../commands/command.ts";
import { globalOptions } from "../options/declared/global.ts";
import { everywhere } from "../options/declared/state.ts";
import { closing, exitCodesText, opening, rootClosing } from "./help.ts";
import { addOptions } from "./options.ts";
import { choosingOptions, chosenSolvers, firstWords, type Flags, type Typed } from "./typed.ts";
import { type SolverDeclarations, usageProblem } from "./usage.ts";
import { asProblem, Problem } from "../problem.ts";
import type { SolverPlugin } from "../plugin.ts";

export type CommandLine =
  /** Help or the version, to be printed. */
  | { readonly kind: "text"; readonly text: string }
  | ({ readonly kind: "command"; readonly command: CommandDefinition } & Typed);

export type LoadSolver = (
  name: string,
  from: { cwd: string },
) => Promise<{ plugin: SolverPlugin; name: string }>;

export interface ProgramParts {
  readonly commands: CommandSource;
  readonly loadSolver: LoadSolver;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** What `--version` prints. */
  readonly version: string;
  readonly width: number;
}

/** Reads the words after `acmectl`. Rejects with a `usage` Problem. */
export async function readCommandLine(
  argv: readonly string[],
  parts: ProgramParts,
): Promise<CommandLine> {
  const words = firstWords(argv);
  if (words[0] === "help") {
    const topic = words.slice(1);
    if (topic[0] === "exit-codes") return { kind: "text", text: exitCodesText() };
    return readCommandLine([...topic, "--help"], parts);
  }
  return readWith(await commandsFor(words, parts.commands), argv, words, parts);
}

/** The help of the program, of each group and of each command, by what is typed before --help. */
export async function helpTexts(
  commands: CommandSource,
  width: number,
): Promise<Readonly<Record<string, string>>> {
  const parts = { commands, loadSolver, env: {}, cwd: "/", version: "", width };
  const groups = commands.names.flatMap((name) => name.split(" ").slice(0, -1));
  const texts: Record<string, string> = {};
  for (const topic of ["", ...groups, ...commands.names]) {
    const line = await readCommandLine([...topic.split(" ").filter(Boolean), "--help"], parts);
    if (line.kind === "text") texts[topic] = line.text;
  }
  return texts;
}

const loadSolver = () => Promise.reject(new Error("Help names no solver."));

async function readWith(
  commands: readonly CommandDefinition[],
  argv: readonly string[],
  words: readonly string[],
  parts: ProgramParts,
): Promise<CommandLine> {
  const { solvers, unknown } = await solversOf(argv, commands, parts);
  try {
    const line = await parse(argv, commands, { ...parts, solvers, lenient: false });
    if (line.kind === "command" && line.command.outline === true) {
      const name = line.command.name.split(" ");
      return await readWith(await commandsFor(name, parts.commands), argv, name, parts);
    }
    if (line.kind === "command" || isKnown(words, commands)) return line;
    // For an unknown command, commander would show the help of its group.
    const withoutHelp = argv.filter((word) => word !== "--help" && word !== "-h");
    return await parse(withoutHelp, commands, { ...parts, solvers, lenient: false });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.unknownOption" && unknown !== undefined) throw unknown;
    // Most runs need no list of the solvers.
    const { builtInSolvers } = await import("../solvers/registry.ts");
    throw usageProblem(error, words, commands, solvers, await builtInSolvers());
  }
}

/** True for a command's words, those of a group, and none at all. */
function isKnown(words: readonly string[], commands: readonly CommandDefinition[]): boolean {
  const typed = `${words.join(" ")} `;
  const names = commands.map(({ name }) => `${name} `);
  return words.length === 0 || names.some((one) => typed.startsWith(one) || one.startsWith(typed));
}

interface ParseSettings extends Pick<ProgramParts, "cwd" | "version" | "width"> {
  readonly solvers: readonly SolverDeclarations[];
  /** For a first look: accept unknown options, and show no help. */
  readonly lenient: boolean;
  /** True where no command was named: of each, the list needs the name and the summary. */
  readonly listing?: boolean;
}

/** The declarations of the chosen solvers, since their flags belong to the command. */
async function solversOf(
  argv: readonly string[],
  commands: readonly CommandDefinition[],
  parts: ProgramParts,
): Promise<{ solvers: readonly SolverDeclarations[]; unknown?: Problem | undefined }> {
  if (!commands.some((command) => command.solverFlags === true)) return { solvers: [] };
  // The second parse reports errors.
  const look = await parse(argv, commands, { ...parts, solvers: [], lenient: true }).catch(
    () => {},
  );
  if (look?.kind !== "command" || look.command.solverFlags !== true) return { solvers: [] };
  const solvers = new Map<string, SolverDeclarations>();
  let unknown: Problem | undefined;
  for (const chosen of chosenSolvers(look.command, look, parts.env)) {
    const loaded = await parts.loadSolver(chosen, parts).catch(asProblem);
    // It may be a solver of the config, which is not read here; the command reports it if it is not.
    if (Problem.is(loaded)) unknown ??= loaded;
    else solvers.set(loaded.name, { name: loaded.name, options: loaded.plugin.options });
  }
  return { solvers: [...solvers.values()], unknown };
}

async function parse(
  argv: readonly string[],
  commands: readonly CommandDefinition[],
  settings: ParseSettings,
): Promise<CommandLine> {
  const listing = new Set(commands.map(({ name }) => name.split(" ")[0])).size > 1;
  const typed = { args: [], flags: {}, globalFlags: {}, solverFlags: {} };
  let chosen: CommandLine | undefined;
  let text = "";
  const root = basic(new Command("acmectl"), settings)
    .configureOutput({
      writeOut: (part) => (text += part),
      writeErr: (part) => (text += part),
      outputError: () => {},
      getOutHelpWidth: () => settings.width,
      getErrHelpWidth: () => settings.width,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .description(opening)
    .enablePositionalOptions()
    .version(settings.version, "-V, --version", "Print the versions of acmectl and Node.js.")
    .helpCommand("help [topic]", "Show help for a command; help exit-codes lists the exit codes.");
  root
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpOption(new Option("-h, --help", "Show this help."))
    .addHelpText("after", rootClosing);
  // Their help is shown with each command, so that the list of commands fits the screen.
  addOptions(root, globalOptions, typed.globalFlags, { ...settings, hidden: true });
  for (const command of commands) {
    const leaf = addCommand(root, command, typed, { ...settings, listing });
    leaf.action(() => {
      chosen = { kind: "command", command, ...typed, args: leaf.args };
    });
  }
  try {
    await root.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!isAnswer(error)) throw error;
  }
  return chosen ?? { kind: "text", text };
}

function addCommand(
  root: Command,
  command: CommandDefinition,
  typed: { flags: Flags; globalFlags: Flags; solverFlags: Record<string, Flags> },
  settings: ParseSettings,
): Command {
  const words = command.name.split(" ");
  const name = words.pop() ?? command.name;
  const parent = words.reduce((above, word) => groupIn(above, word, typed, settings), root);
  const leaf = basic(parent.command(name), settings)
    .summary(command.summary)
    .description([command.summary, command.description ?? ""].join("\n\n").trim())
    .allowUnknownOption(settings.lenient)
    .allowExcessArguments(settings.lenient);
  if (parent !== root) parent.description(parent.commands.map((one) => one.name()).join(" · "));
  if (command.outline === true) return leaf;
  for (const { usage, description } of command.arguments ?? []) leaf.argument(usage, description);
  if (settings.lenient) {
    addOptions(leaf, choosingOptions(command), typed.flags, settings);
    return leaf;
  }
  addOptions(leaf, command.options, typed.flags, settings);
  const solvers = command.solverFlags === true ? settings.solvers : [];
  for (const { name: plugin, options } of solvers) {
    const flags = (typed.solverFlags[plugin] ??= {});
    addOptions(leaf, options, flags, { ...settings, plugin });
  }
  addOptions(leaf, globalOptions, typed.globalFlags, settings);
  return leaf.addHelpText("after", () => closing(command, solvers));
}

/** The command above sub-commands, e.g. `account`. */
function groupIn(
  above: Command,
  word: string,
  typed: { globalFlags: Flags },
  settings: ParseSettings,
): Command {
  const known = above.commands.find((command) => command.name() === word);
  if (known !== undefined) return known;
  const group = basic(above.command(word), settings).enablePositionalOptions().helpCommand(false);
  if (!settings.listing) addOptions(group, globalOptions, typed.globalFlags, settings);
  return group;
}

function basic(command: Command, { lenient }: ParseSettings): Command {
  command.exitOverride();
  if (lenient) return command.helpOption(false);
  return command.addHelpOption(new Option("-h, --help", "Show this help.").helpGroup(everywhere));
}

/** Help and version end commander's parse as errors. */
function isAnswer(error: unknown): boolean {
  return (
    error instanceof CommanderError &&
    ["commander.help", "commander.helpDisplayed", "commander.version"].includes(error.code)
  );
}
