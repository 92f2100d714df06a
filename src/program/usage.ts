/** What commander refuses, as a Problem that says what to type instead. */
import type { CommandDefinition } from "../commands/command.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { describeOption } from "../options/describe.ts";
import { flagOf } from "../options/names.ts";
import { Problem } from "../problem.ts";

/** A solver's plugin as flags and help need it. */
export interface SolverDeclarations {
  readonly name: string;
  readonly options: OptionDeclarations;
}

/** `refusal` is commander's error; `words` are those before the first flag. */
export function usageProblem(
  refusal: Error,
  words: readonly string[],
  commands: readonly CommandDefinition[],
  solvers: readonly SolverDeclarations[],
): Problem {
  const command = commands.find(
    ({ name }) => name === words.slice(0, name.split(" ").length).join(" "),
  );
  const help = `See acmectl ${command === undefined ? "" : `${command.name} `}--help.`;
  const [first = "", ...rest] = refusal.message.replace(/^error: /, "").split("\n");
  const suggestion = rest.join(" ").replace(/^\((.*)\)$/, "$1 ");
  const flag = /^unknown option '([^'=]*)/.exec(first)?.[1];
  return new Problem("usage", {
    detail: sentence(first),
    hint: (flag === undefined ? undefined : flagless(flag, command, solvers)) ?? suggestion + help,
    cause: refusal,
  });
}

/** What has no flag on purpose: the list of processes shows flags to every user of the machine. */
function flagless(
  flag: string,
  command: CommandDefinition | undefined,
  solvers: readonly SolverDeclarations[],
): string | undefined {
  const all = [{ name: undefined, options: command?.options ?? {} }, ...solvers];
  for (const { name, options } of all) {
    for (const [option, declaration] of Object.entries(options)) {
      if (flagOf(option, name) !== flag) continue;
      const { variables, secret } = describeOption(option, declaration, name);
      const why = secret ? "A secret has no flag, since other users could see it in ps. " : "";
      return `${why}Set ${variables.join(" or ")}, or ${variables[0]}_FILE, or ${option} in the config.`;
    }
  }
  return undefined;
}

function sentence(text: string): string {
  const capital = text.slice(0, 1).toUpperCase() + text.slice(1);
  return capital.endsWith(".") ? capital : `${capital}.`;
}
