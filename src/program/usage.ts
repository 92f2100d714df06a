/** Commander's errors as Problems with a hint. */
import type { CommandDefinition } from "../commands/command.ts";
import { globalOptions } from "../options/declared/global.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { describeOption } from "../options/describe.ts";
import { flagOf } from "../options/names.ts";
import { Problem } from "../problem.ts";

export interface SolverDeclarations {
  readonly name: string;
  readonly options: OptionDeclarations;
}

/** `refusal` is commander's error; `words` are those before the first flag; `solvers` are chosen, `others` are not. */
export function usageProblem(
  refusal: Error,
  words: readonly string[],
  commands: readonly CommandDefinition[],
  solvers: readonly SolverDeclarations[],
  others: readonly string[],
): Problem {
  const command = commands.find(
    ({ name }) => name === words.slice(0, name.split(" ").length).join(" "),
  );
  const [first = "", ...rest] = refusal.message.replace(/^error: /, "").split("\n");
  const typed = /^unknown option '([^'=]*)/.exec(first)?.[1];
  const known = typed === undefined ? undefined : optionOf(typed, command, solvers);
  const suggestion = rest.join(" ").replace(/^\((.*)\)$/, "$1 ");
  return new Problem("usage", {
    detail: detailOf(first, typed, known),
    hint:
      known?.hint ??
      excessHint(first, command) ??
      suggestion +
        (solverHint(typed, command, solvers, others) ?? helpOf(words, command, commands)),
    cause: refusal,
  });
}

/** `-d a b`, which other clients accept. */
function excessHint(first: string, command: CommandDefinition | undefined): string | undefined {
  if (!/^too many arguments/i.test(first) || command?.options["domains"] === undefined)
    return undefined;
  return "Separate several names by commas, or repeat -d: -d example.com,www.example.com";
}

/** An option that begins with the name of a solver is one of the solver's, or meant to be. */
function solverHint(
  typed: string | undefined,
  command: CommandDefinition | undefined,
  solvers: readonly SolverDeclarations[],
  others: readonly string[],
): string | undefined {
  if (typed === undefined || command?.solverFlags !== true) return undefined;
  const isIts = (name: string) => typed.startsWith(`--${name}-`);
  const chosen = solvers.find(({ name }) => isIts(name))?.name;
  if (chosen !== undefined) return `Run \`acmectl solvers show ${chosen}\` to see its options.`;
  const other = others.find(isIts);
  return other === undefined
    ? undefined
    : `Choose the solver too: ${command.options["solver"] === undefined ? "" : "--solver "}${other}. Run \`acmectl solvers show ${other}\` to see its options.`;
}

/** The value of an unknown option may be a secret, so it is not repeated. */
function detailOf(
  first: string,
  typed: string | undefined,
  known: KnownOption | undefined,
): string {
  if (known !== undefined) return `${typed} ${known.wrong}.`;
  if (typed !== undefined) return `Unknown option '${typed}'.`;
  const valueless = /^option '(.*)' argument missing$/.exec(first)?.[1];
  if (valueless !== undefined) return `${valueless} has no value.`;
  return `${first.slice(0, 1).toUpperCase()}${first.slice(1).replace(/\.$/, "")}.`;
}

function helpOf(
  words: readonly string[],
  command: CommandDefinition | undefined,
  commands: readonly CommandDefinition[],
): string {
  const group = commands.some(({ name }) => name.startsWith(`${words[0]} `)) ? words[0] : undefined;
  const about = command?.name ?? group;
  return `See acmectl ${about === undefined ? "" : `${about} `}--help.`;
}

interface KnownOption {
  readonly wrong: string;
  readonly hint: string;
}

/** The option that an unknown flag means: it has no flag, or one without a value. */
function optionOf(
  typed: string,
  command: CommandDefinition | undefined,
  solvers: readonly SolverDeclarations[],
): KnownOption | undefined {
  for (const { name, options } of [
    { name: undefined, options: { ...globalOptions, ...command?.options } },
    ...solvers,
  ]) {
    for (const [option, declaration] of Object.entries(options)) {
      if (flagOf(option, name) !== typed) continue;
      const { variables, secret, flag } = describeOption(option, declaration, name);
      if (flag !== undefined) {
        const { opposite, values = [] } = flag;
        const written = values.map((value) => `${typed}=${value}, `).join("");
        const wrong = values.length === 0 ? "takes no value" : "does not take this value";
        return { wrong, hint: `Write ${typed} alone, ${written}or ${opposite}.` };
      }
      const inConfig = name === undefined ? "" : `, or ${option} in the config`;
      return {
        wrong: secret ? "is not a flag: other users could see the secret in ps" : "is not a flag",
        hint: `Set ${[...variables, `${variables[0]}_FILE`].join(", or ")}${inConfig}.`,
      };
    }
  }
  return undefined;
}
