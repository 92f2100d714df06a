/** Commander's options from declared ones. What is typed is collected; its value is read later. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { OptionDeclaration, OptionDeclarations } from "../options/declaration.ts";
import { describeOption, type FlagDescription } from "../options/describe.ts";
import { Problem } from "../problem.ts";
import { inHelp } from "./help.ts";
import type { Flags } from "./typed.ts";

interface Settings {
  /** Paths for a solver become absolute against it at once, since they are remembered as text. */
  readonly cwd: string;
  /** The solver whose options these are. */
  readonly plugin?: string | undefined;
  /** True: help does not list them. */
  readonly hidden?: boolean | undefined;
}

/** Adds the flags of these options to a command; what is typed arrives in `into`. */
export function addOptions(
  command: Command,
  declarations: OptionDeclarations,
  into: Flags,
  { cwd, plugin, hidden = false }: Settings,
): void {
  for (const [name, declaration] of Object.entries(declarations)) {
    const description = describeOption(name, declaration, plugin);
    if (description.flag === undefined) continue;
    const heading = plugin === undefined ? description.group : `Options of the solver ${plugin}:`;
    for (const { flags, shown = flags, isOther = false, means } of spellings(description.flag)) {
      const option = new Option(flags, inHelp(description));
      option.hideHelp(hidden || isOther || description.hidden).flags = shown;
      if (heading !== undefined) option.helpGroup(heading);
      command.addOption(option).on(`option:${option.name()}`, (text?: string) => {
        if (typeof text === "string") {
          refuseFlag(text, flags, command);
          const isPath = plugin !== undefined && declaration.type === "path" && text !== "";
          into[name] = withText(into[name], isPath ? resolve(cwd, text) : text, declaration);
        } else into[name] = means;
      });
    }
  }
}

interface Spelling {
  readonly flags: string;
  /** What help shows instead of `flags`. */
  readonly shown?: string | undefined;
  /** True for one that help does not show. */
  readonly isOther?: boolean;
  /** What it stands for without a value. */
  readonly means: boolean | string;
}

function spellings(flag: FlagDescription): readonly Spelling[] {
  const { long, short, placeholder, aliases, means, values = [], opposite } = flag;
  const letter = short === undefined ? "" : `${short}, `;
  const value = placeholder === undefined ? "" : ` <${placeholder}>`;
  const shown = values.length === 0 ? undefined : `${long}[=${values.join("|")}]`;
  return [
    { flags: `${letter}${long}${value}`, shown, means },
    ...values.map((one) => ({ flags: `${long}=${one}`, isOther: true, means: one })),
    ...aliases.map((alias) => ({ flags: alias + value, isOther: true, means })),
    ...(opposite === undefined ? [] : [{ flags: opposite, isOther: true, means: !means }]),
  ];
}

function refuseFlag(text: string, flags: string, { options }: Command): void {
  if (!options.some(({ long, short }) => text === long || text === short)) return;
  throw new Problem("usage", {
    detail: `${flags} has no value: it is followed by the flag ${text}.`,
    hint: `If ${text} is the value, write ${flags.split(" ").at(-2)}=${text}.`,
  });
}

function withText(before: unknown, text: string, { type }: OptionDeclaration): unknown {
  if (Array.isArray(before)) return [...before, text];
  if (before !== undefined) return [before, text];
  return type === "list" || type === "map" ? [text] : text;
}
