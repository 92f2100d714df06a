/** What completion scripts know of the commands: fixed at the time of printing, but for what `acmectl completion --offers` looks up at Tab. */

import type { Offered } from "../declaration.ts";
import type { FlagDescription, OptionDescription } from "../describe.ts";

export interface ShownCommand {
  /** `issue`, `account register`. */
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly ShownFlag[];
  readonly arguments: readonly { readonly offers?: Offered | readonly string[] }[];
}
export interface ShownFlag
  extends
    Pick<FlagDescription, "long" | "short" | "placeholder">,
    Pick<OptionDescription, "description" | "choices"> {
  readonly isPath: boolean;
  readonly offers?: Offered | undefined;
}

/** Group → its verbs: `account` → `register`, `show`. */
export function groupsOf(
  commands: readonly ShownCommand[],
): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const { name } of commands) {
    const [group = "", verb] = name.split(" ");
    if (verb !== undefined) groups.set(group, [...(groups.get(group) ?? []), verb]);
  }
  return groups;
}

export function groupCases(commands: readonly ShownCommand[]): string {
  return [...groupsOf(commands).keys()].map((group) => `      ${quoted(group)}) ;;`).join("\n");
}

export function firsts(commands: readonly ShownCommand[]): readonly string[] {
  return [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? name))];
}

export function summaryOf(commands: readonly ShownCommand[], name: string): string {
  const verbs = groupsOf(commands).get(name);
  return commands.find((command) => command.name === name)?.summary ?? verbs?.join(", ") ?? "";
}

export function offersOf({ offers, choices }: ShownFlag): Offered | readonly string[] | undefined {
  return offers ?? (choices.length > 0 ? choices : undefined);
}

export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
