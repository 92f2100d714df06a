/** What the flags said, as texts, before anything is read from them. */
import { resolve } from "node:path";
import type { OptionDeclaration } from "../options/declaration.ts";
import { Problem } from "../problem.ts";

/** By option: true or false for a boolean, a text, or all texts of an option that was given several times or is a list or map. */
export type Flags = Record<string, unknown>;

/** What was typed behind a command's name. */
export interface Typed {
  readonly args: readonly string[];
  readonly flags: Readonly<Flags>;
  readonly globalFlags: Readonly<Flags>;
  /** By plugin. */
  readonly solverFlags: Readonly<Record<string, Readonly<Flags>>>;
}

export interface OneFlag {
  readonly name: string;
  readonly declaration: OptionDeclaration;
  /** The value behind the flag; anything but a string for a boolean. */
  readonly text: unknown;
  readonly means: boolean;
  /** As help shows it, for messages. */
  readonly flag: string;
  /** All flags of the command, so that one that stands where a value should be is noticed. */
  readonly known: readonly (string | undefined)[];
  /** What to make paths absolute against at once, for a text that will be remembered. */
  readonly folder?: string | undefined;
}

/** Adds one typed flag. Throws a Problem when its value is the next flag. */
export function collect(into: Flags, one: OneFlag): void {
  const { name, declaration, text, means, known, flag, folder } = one;
  if (typeof text !== "string") {
    into[name] = means;
    return;
  }
  if (known.includes(text)) {
    throw new Problem("usage", {
      detail: `${flag} has no value: the flag ${text} stands behind it.`,
      hint: `If ${text} is really the value, write ${flag.split(" ").at(-2)}=${text}.`,
    });
  }
  const isPath = declaration.type === "path" && text !== "";
  const value = isPath && folder !== undefined ? resolve(folder, text) : text;
  const before = into[name];
  const manifold = declaration.type === "list" || declaration.type === "map";
  if (Array.isArray(before)) before.push(value);
  else if (before === undefined) into[name] = manifold ? [value] : value;
  else into[name] = [before, value];
}
