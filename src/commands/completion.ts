/** `acmectl completion`: the script with which a shell completes acmectl's commands and flags. */
import { presets } from "../acme/presets.ts";
import type { Config } from "../config/config.ts";
import { configKeys } from "../config/keys.ts";
import type { Context } from "../context.ts";
import { bash } from "../options/completion/bash.ts";
import { fish } from "../options/completion/fish.ts";
import type { ShownCommand, ShownFlag } from "../options/completion/shown.ts";
import { zsh } from "../options/completion/zsh.ts";
import { globalOptions } from "../options/declared/global.ts";
import { type Offered, offered, type OptionDeclaration } from "../options/declaration.ts";
import { describeOption } from "../options/describe.ts";
import { Problem } from "../problem.ts";
import { type Result, verbatim } from "../result.ts";
import { builtInSolvers, installedSolvers } from "../solvers/registry.ts";
import { type CommandDefinition, defineCommand } from "./command.ts";
import { allCommands, commandSource } from "./definitions.ts";

const shells = { bash, zsh, fish } as const;

export const command = defineCommand({
  name: "completion",
  summary: "Print a completion script for bash, zsh or fish",
  arguments: [
    { usage: "[shell]", description: Object.keys(shells).join(" | "), offers: Object.keys(shells) },
  ],
  examples: [
    "acmectl completion bash > /etc/bash_completion.d/acmectl",
    "acmectl completion zsh > /usr/local/share/zsh/site-functions/_acmectl",
    "acmectl completion fish > ~/.config/fish/completions/acmectl.fish",
  ],
  options: {
    offers: {
      type: "string",
      choices: offered,
      hidden: true,
      description: "Print the words that the completion scripts offer at this place.",
    },
  },
  async run({ offers }, context) {
    if (offers !== undefined) return wordsOf(await lookup[offers](context));
    const [shell = ""] = context.args;
    if (!isShell(shell)) {
      throw new Problem("usage", {
        detail:
          shell === ""
            ? "No shell was given."
            : `acmectl has no completion script for the shell ${JSON.stringify(shell)}.`,
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

/** A config with mistakes is left out, so that names in the state can still be completed. */
const lookup: Readonly<Record<Offered, (context: Context) => Promise<readonly string[]>>> = {
  certificates: async (context) => [
    ...(await (await context.store()).certificates.names()),
    ...Object.keys((await configured(context))?.certificates ?? {}),
  ],
  servers: async (context) => [
    ...Object.keys((await configured(context))?.issuers ?? {}),
    ...presets.map(({ name }) => name),
    "local",
  ],
  solvers: async (context) => [
    ...Object.keys((await configured(context))?.solvers ?? {}),
    ...(await builtInSolvers()),
    ...(await installedSolvers(context)),
  ],
  notifiers: async (context) => Object.keys((await configured(context))?.notify ?? {}),
  keys: async ({ configPath }) => configKeys(configPath),
};

async function configured(context: Context): Promise<Config | undefined> {
  return context.config().catch(() => undefined);
}

function wordsOf(all: readonly string[]): Result {
  const words = [...new Set(all)].toSorted();
  return {
    document: { outcome: "done", words },
    view: words.length === 0 ? [] : [verbatim(`${words.join("\n")}\n`)],
  };
}

function shown({ name, summary, options, ...rest }: CommandDefinition): ShownCommand {
  const declared: [string, OptionDeclaration][] = Object.entries({ ...options, ...globalOptions });
  const flags = declared.flatMap(([option, one]) => shownFlag(option, one));
  return { name, summary, flags, arguments: rest.arguments ?? [] };
}

function shownFlag(option: string, declaration: OptionDeclaration): readonly ShownFlag[] {
  const { flag, hidden, ...shown } = describeOption(option, declaration);
  if (flag === undefined || hidden) return [];
  return [{ ...shown, ...flag, isPath: declaration.type === "path", offers: declaration.offers }];
}
