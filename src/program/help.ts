/** The texts of help that do not come from commander. */
import type { CommandDefinition } from "../commands/command.ts";
import { describeOption, type OptionDescription } from "../options/describe.ts";
import { globalOptions } from "../options/declared/global.ts";
import { exitCodes } from "../problem.ts";
import type { SolverDeclarations } from "./usage.ts";

export const opening =
  "Get TLS certificates from any ACME certificate authority (RFC 8555) and renew them.";

export function rootClosing(): string {
  const flags = Object.entries(globalOptions).flatMap(([name, declaration]) => {
    return describeOption(name, declaration).flag?.long ?? [];
  });
  return [
    "",
    `Options of every command: ${flags.join(", ")} (see acmectl issue --help).`,
    "Exit codes: acmectl help exit-codes",
  ].join("\n");
}

/** An option's line: its description, its choices, and its default. */
export function inHelp(option: OptionDescription): string {
  const { description, choices, required, flag, default: standard } = option;
  if (flag?.means === false) {
    // The description of a boolean that is on by default is an imperative, too.
    return `Do not ${description.slice(0, 1).toLowerCase()}${description.slice(1)}`;
  }
  const more = [
    ...(choices.length === 0 ? [] : [choices.join(" | ")]),
    ...(required ? ["required"] : []),
    ...(standard === undefined ? [] : [`default: ${standard}`]),
  ];
  return more.length === 0
    ? description
    : `${description.replace(/\.$/, "")} (${more.join("; ")}).`;
}

/** The text below a command's options: settings without a flag, variables, examples. */
export function closing(
  command: CommandDefinition,
  solvers: readonly SolverDeclarations[],
): string {
  const flagless = [{ options: command.options, name: undefined }, ...solvers]
    .flatMap(({ options, name }) =>
      Object.entries(options).map(([option, one]) => describeOption(option, one, name)),
    )
    .filter(({ flag, hidden }) => flag === undefined && !hidden);
  const [example] = Object.entries(command.options).map((one) => describeOption(...one));
  const { flag, variables = [] } = example ?? {};
  const noSolver = command.solverFlags === true && solvers.length === 0;
  return [
    ...section(
      flagless.flatMap(withoutFlag),
      "Set by variable only; with _FILE appended to its name, the value is read from a file:",
    ),
    ...section(flag && [`Each option has a variable: ${flag.long} is ${variables[0]}.`]),
    ...section(
      noSolver && [
        "For the options of a solver, add --help after --solver NAME, or run acmectl solvers show NAME.",
      ],
    ),
    ...section(
      command.examples?.map((line) => `  ${line}`),
      "Examples:",
    ),
  ].join("\n");
}

function section(lines: readonly string[] | undefined | false, title?: string): readonly string[] {
  if (!lines || lines.length === 0) return [];
  return title === undefined ? ["", ...lines] : ["", title, ...lines];
}

export function exitCodesText(): string {
  const lines = Object.entries(exitCodes).map(
    ([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`,
  );
  return `Exit codes:\n${lines.join("\n")}\n`;
}

function withoutFlag({ variables, description }: OptionDescription): readonly string[] {
  return [`  ${variables.join(", ")}`, `      ${description}`];
}
