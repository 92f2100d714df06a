/** `man.ts FOLDER TIME`: manual pages from the same declarations as help: `acmectl(1)`, and a page for each command. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandDefinition } from "../src/commands/command.ts";
import { allCommands, commandSource } from "../src/commands/definitions.ts";
import { globalOptions } from "../src/options/declared/global.ts";
import { describeOption, type OptionDescription } from "../src/options/describe.ts";
import { exitCodes } from "../src/problem.ts";
import { inHelp, opening } from "../src/program/help.ts";
import { version } from "../src/version.ts";

/** Writes `acmectl.1`, `acmectl-issue.1`, … into `folder`; `time` (seconds) is the date that they show. */
async function writeManPages(folder: string, time: number): Promise<void> {
  const date = new Date(time * 1000).toISOString().slice(0, 10);
  const commands = await allCommands(commandSource());
  const pages = [rootPage(commands), ...commands.map(commandPage)];
  for (const { name, sections } of pages) {
    const title = `.TH ${quoted(name.toUpperCase())} 1 ${date} ${quoted(`acmectl ${version}`)}`;
    writeFileSync(join(folder, `${name}.1`), `${[title, ...sections].join("\n")}\n`);
  }
}

interface Page {
  readonly name: string;
  readonly sections: readonly string[];
}

function rootPage(commands: readonly CommandDefinition[]): Page {
  return {
    name: "acmectl",
    sections: [
      ...section("NAME", [text(`acmectl - ${lowerFirst(opening)}`)]),
      ...section("SYNOPSIS", [".B acmectl", text("COMMAND [options]")]),
      ...section(
        "COMMANDS",
        commands.flatMap(({ name, summary }) => item(`.BR ${pageOf(name)} (1)`, summary)),
      ),
      ...section("OPTIONS OF EVERY COMMAND", optionItems(globalOptions)),
      ...section(
        "EXIT STATUS",
        Object.entries(exitCodes).flatMap(([code, meaning]) => item(code, meaning)),
      ),
    ],
  };
}

function commandPage(command: CommandDefinition): Page {
  const { name, summary, description, examples = [], arguments: words = [] } = command;
  const synopsis = [name, ...words.map(({ usage }) => usage), "[options]"].join(" ");
  const lines = words.flatMap(({ usage, description: what }) => item(text(usage), what));
  return {
    name: pageOf(name),
    sections: [
      ...section("NAME", [text(`${pageOf(name)} - ${lowerFirst(summary)}`)]),
      ...section("SYNOPSIS", [".B acmectl", text(synopsis)]),
      ...section("DESCRIPTION", description === undefined ? [] : [text(description)]),
      ...section("OPTIONS", [...lines, ...optionItems(command.options)]),
      ...section("EXAMPLES", examples.length === 0 ? [] : [".nf", ...examples.map(text), ".fi"]),
      ...section("SEE ALSO", [".BR acmectl (1)"]),
    ],
  };
}

function optionItems(options: CommandDefinition["options"]): readonly string[] {
  return Object.entries(options)
    .map(([name, declaration]) => describeOption(name, declaration))
    .filter(({ hidden }) => !hidden)
    .flatMap((option) => item(text(nameOf(option)), inHelp(option)));
}

/** `-d, --domains NAME`, or the variable of an option without a flag. */
function nameOf({ flag, variables }: OptionDescription): string {
  if (flag === undefined) return variables[0] ?? "";
  const { short, long, placeholder } = flag;
  const names = short === undefined ? long : `${short}, ${long}`;
  return placeholder === undefined ? names : `${names} ${placeholder}`;
}

function pageOf(command: string): string {
  return `acmectl-${command.replaceAll(" ", "-")}`;
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`.SH ${quoted(title)}`, ...lines];
}

function item(term: string, description: string): readonly string[] {
  return [".TP", term, text(description)];
}

/** A line as it is: no character of it is a request or an escape. */
function text(line: string): string {
  const escaped = line.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return escaped.replaceAll("\n", "\n.br\n").replaceAll(/^(?=[.'])(?!\.br$)/gm, "\\&");
}

function quoted(word: string): string {
  return `"${word}"`;
}

function lowerFirst(sentence: string): string {
  return `${sentence.slice(0, 1).toLowerCase()}${sentence.slice(1)}`.replace(/\.$/, "");
}

if (import.meta.main) {
  const [folder = ".", time = "0"] = process.argv.slice(2);
  await writeManPages(folder, Number(time));
}
