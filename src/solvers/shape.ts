/** Is what a module exports a solver? Types say so for those who use TypeScript; this says so for everybody. */
import type { OptionType } from "../options/declaration.ts";
import { challengeTypes as known } from "../certificate.ts";
import type { SolverPlugin } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { isRecord } from "../json.ts";

const optionTypes: Record<OptionType, true> = {
  string: true,
  boolean: true,
  integer: true,
  port: true,
  duration: true,
  url: true,
  path: true,
  list: true,
  map: true,
  json: true,
};

/** Returns `exported` as a solver, or throws a Problem that says what is wrong with it; `file` names it. */
export function checkSolverPlugin(exported: unknown, file: string): SolverPlugin {
  const faults: string[] = [];
  if (isSolverPlugin(exported, faults)) return exported;
  throw new Problem("plugin", {
    detail: `The solver ${file} is not usable: ${faults.join("; ")}.`,
    hint: "Its default export has to be what `defineSolver({ summary, challengeTypes, options, create })` from acmectl/plugin returns.",
  });
}

function isSolverPlugin(value: unknown, faults: string[]): value is SolverPlugin {
  if (!isRecord(value)) {
    faults.push(
      value === undefined ? "it has no default export" : "its default export is not an object",
    );
    return false;
  }
  const { summary, challengeTypes, defaultTypes, recordTypes, concurrency, options } = value;
  const { stateless, create } = value;
  if (!isText(summary) || summary.includes("\n")) faults.push("`summary` is not one line of text");
  faults.push(...faultsOfTypes("challengeTypes", challengeTypes));
  if (defaultTypes !== undefined) faults.push(...faultsOfTypes("defaultTypes", defaultTypes));
  if (recordTypes !== undefined && !isListOf(recordTypes, ["TXT", "TLSA"]))
    faults.push("`recordTypes` is not a list of TXT and TLSA");
  if (concurrency !== undefined && !(Number.isInteger(concurrency) && Number(concurrency) > 0))
    faults.push("`concurrency` is not a whole number above 0");
  faults.push(...faultsOfOptions(options));
  faults.push(...faultsOfFunctions({ stateless: stateless ?? (() => undefined), create }));
  return faults.length === 0;
}

function faultsOfTypes(name: string, given: unknown): string[] {
  if (!Array.isArray(given) || given.length === 0)
    return [`\`${name}\` is not a list with at least one challenge type`];
  return given
    .filter((type) => !known.some((one) => one === type))
    .map((type) => `the challenge type ${JSON.stringify(type)} is none of ${known.join(", ")}`);
}

function isListOf(value: unknown, known: readonly unknown[]): boolean {
  return Array.isArray(value) && value.every((one) => known.includes(one));
}

function faultsOfFunctions(members: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(members).flatMap(([name, member]) =>
    typeof member === "function" ? [] : [`\`${name}\` is not a function`],
  );
}

function faultsOfOptions(options: unknown): string[] {
  if (!isRecord(options)) return ["`options` is not an object"];
  return Object.entries(options).flatMap(([name, declared]) => faultsOfOption(name, declared));
}

function faultsOfOption(name: string, declared: unknown): string[] {
  const option = `the option \`${name}\``;
  if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) return [`${option} is not written in camelCase`];
  if (!isRecord(declared)) return [`${option} is not an object`];
  const { type, description, secret, env } = declared;
  const faults: string[] = [];
  if (typeof type !== "string" || !Object.hasOwn(optionTypes, type))
    faults.push(`${option} has a type that is none of ${Object.keys(optionTypes).join(", ")}`);
  if (!isText(description)) faults.push(`${option} has no description`);
  if (secret === true && declared["default"] !== undefined)
    faults.push(`${option} is secret and may have no default`);
  if (env !== undefined && !isVariables(env))
    faults.push(`${option} lists environment variables that are not names`);
  return faults;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

function isVariables(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => isText(name) && /^[A-Za-z_]\w*$/.test(name));
}
