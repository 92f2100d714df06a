/** `acmectl completion`: what to put into a shell so that Tab knows acmectl's commands and flags. */
import { verbatim } from "../result.ts";
import { describeOption } from "../options/describe.ts";
import { globalOptions } from "../options/declared/global.ts";
import type { OptionDeclaration } from "../options/declaration.ts";
import { Problem } from "../problem.ts";
import { type CommandDefinition, defineCommand } from "./command.ts";
import { bash, fish, type ShownCommand, type ShownFlag, zsh } from "../options/completion.ts";
import { allCommands, commandSource } from "./definitions.ts";

const shells = { bash, zsh, fish } as const;

export const command = defineCommand({
  name: "completion",
  summary: "Print a completion script for bash, zsh or fish",
  arguments: [{ usage: "<shell>", description: Object.keys(shells).join(" | ") }],
  examples: [
    "acmectl completion bash > /etc/bash_completion.d/acmectl",
    "acmectl completion zsh > /usr/local/share/zsh/site-functions/_acmectl",
    "acmectl completion fish > ~/.config/fish/completions/acmectl.fish",
  ],
  options: {},
  async run(_, { args }) {
    const [shell = ""] = args;
    if (!isShell(shell)) {
      throw new Problem("usage", {
        detail: `There is no completion for the shell ${JSON.stringify(shell)}.`,
        hint: `Choose one of ${Object.keys(shells).join(", ")}.`,
      });
    }
    const commands = await allCommands(commandSource());
    const text = shells[shell](commands.map(shown));
    return { document: { outcome: "done", shell, script: text }, view: [verbatim(text)] };
  },
});

function isShell(name: string): name is keyof typeof shells {
  return Object.hasOwn(shells, name);
}

function shown({ name, summary, options }: CommandDefinition): ShownCommand {
  const declared: [string, OptionDeclaration][] = Object.entries({ ...options, ...globalOptions });
  return { name, summary, flags: declared.flatMap(([option, one]) => shownFlag(option, one)) };
}

function shownFlag(option: string, declaration: OptionDeclaration): readonly ShownFlag[] {
  const { flag, hidden, ...shown } = describeOption(option, declaration);
  if (flag === undefined || hidden) return [];
  return [{ ...shown, ...flag, isPath: declaration.type === "path" }];
}
