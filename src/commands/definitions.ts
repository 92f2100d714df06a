/** The commands, found by their files: `account/register.ts` exports `command`, which is called `account register`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { codeExtension, commandsFolder, summariesFile } from "../installation.ts";
import { isRecord } from "../json.ts";
import type { CommandDefinition } from "./command.ts";

/** Where commands come from; tests bring their own. */
export interface CommandSource {
  /** What is typed: `account register`, `issue`; sorted. Reading them imports nothing. */
  readonly names: readonly string[];
  /** What help lists, by name. */
  summaries(): Promise<Readonly<Record<string, string>>>;
  /** Undefined for a file of this folder that defines no command. */
  load(name: string): Promise<CommandDefinition | undefined>;
}

/** The commands of this folder. A file is imported when its command is typed; from source, all of them for help. */
export function commandSource(): CommandSource {
  const written = writtenSummaries();
  const source: CommandSource = {
    names: written === undefined ? listedNames() : Object.keys(written),
    async load(name) {
      const file = join(commandsFolder, `${name.replaceAll(" ", "/")}${codeExtension}`);
      const module: unknown = await import(pathToFileURL(file).href);
      return hasCommand(module) ? module.command : undefined;
    },
    async summaries() {
      const commands = written === undefined ? await allCommands(source) : [];
      return written ?? Object.fromEntries(commands.map(({ name, summary }) => [name, summary]));
    },
  };
  return source;
}

/** The build writes them, so that help loads no command. */
function writtenSummaries(): Readonly<Record<string, string>> | undefined {
  return existsSync(summariesFile) ? JSON.parse(readFileSync(summariesFile, "utf8")) : undefined;
}

function listedNames(): readonly string[] {
  return readdirSync(commandsFolder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(codeExtension))
    .map((file) => file.slice(0, -codeExtension.length).replaceAll(/[/\\]/g, " "))
    .filter((name) => name !== "command" && name !== "definitions")
    .toSorted();
}

export async function allCommands(source: CommandSource): Promise<readonly CommandDefinition[]> {
  return loadAll(source, source.names);
}

/**
 * The command that these words begin with. Its whole group when it is half typed, and all commands when there is none: those
 * have a name and a summary, but no options.
 */
export async function commandsFor(
  words: readonly string[],
  source: CommandSource,
): Promise<readonly CommandDefinition[]> {
  const [first = "", second = ""] = words;
  const exact = source.names.filter((name) => name === first || name === `${first} ${second}`);
  if (exact.length > 0) return loadAll(source, exact);
  const group = source.names.filter((name) => name.startsWith(`${first} `));
  const summaries = await source.summaries();
  return (group.length > 0 ? group : source.names).flatMap((name) => {
    const summary = summaries[name];
    if (summary === undefined) return [];
    return [{ name, summary, outline: true, options: {}, run: notLoaded }];
  });
}

async function notLoaded(): Promise<never> {
  throw new Error("This command was not loaded.");
}

async function loadAll(
  source: CommandSource,
  names: readonly string[],
): Promise<readonly CommandDefinition[]> {
  const loaded = await Promise.all(names.map((name) => source.load(name)));
  return loaded.filter((definition) => definition !== undefined);
}

function hasCommand(module: unknown): module is { command: CommandDefinition } {
  return isRecord(module) && isRecord(module["command"]) && "run" in module["command"];
}
