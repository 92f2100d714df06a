/** What every solver promises, as a list of named cases that any test runner can run. */
import assert from "node:assert/strict";
import { failureCases } from "./conformance/failure.ts";
import { lifeCases } from "./conformance/life.ts";
import { crowdCases, foreignCases } from "./conformance/others.ts";
import type { ConformanceCase, ConformanceSetup } from "./conformance/setup.ts";
import { subjectOf } from "./conformance/subject.ts";
import type { ChallengeType, OptionDeclarations } from "./plugin.ts";
import { checkSolverPlugin } from "./solvers/shape.ts";

/** The cases that apply to this solver. They share no state, but they write to one world: run them one after the other. */
export function solverConformance<
  T extends ChallengeType,
  D extends OptionDeclarations,
  Receipt = unknown,
>(setup: ConformanceSetup<T, D, Receipt>): readonly ConformanceCase[];
export function solverConformance(setup: ConformanceSetup): readonly ConformanceCase[] {
  const subject = subjectOf(setup);
  return [
    ...declarationCases(setup.plugin),
    ...lifeCases(subject),
    ...crowdCases(subject),
    ...(setup.foreign === undefined ? [] : foreignCases(subject, setup.foreign)),
    ...failureCases(subject, setup.broken ?? []),
  ];
}

/** The declaration's promises. */
function declarationCases(plugin: {
  readonly options: OptionDeclarations;
}): readonly ConformanceCase[] {
  const checks: Readonly<Record<string, (options: OptionDeclarations) => void>> = {
    "is a solver plugin that acmectl loads": () => checkSolverPlugin(plugin, "under test"),
    "describes every option in a sentence": describesEach,
    "gives no secret option a default or a flag": keepsSecrets,
    "gives every option environment variables of its own": sharesNoVariable,
  };
  return Object.entries(checks).map(([name, check]) => ({
    name,
    run: async () => check(plugin.options),
  }));
}

function describesEach(options: OptionDeclarations): void {
  for (const [name, { description }] of Object.entries(options)) {
    assert(description.trim().length >= 10, `the option ${name} has no description to speak of`);
    assert(/[.)]$/.test(description.trim()), `the description of ${name} is not a sentence`);
  }
}

function keepsSecrets(options: OptionDeclarations): void {
  for (const [name, option] of Object.entries(options)) {
    if (option.secret !== true) continue;
    assert(option.default === undefined, `the secret option ${name} has a default`);
    assert(option.short === undefined, `the secret option ${name} has a short flag`);
    assert(option.aliases === undefined, `the secret option ${name} has flag aliases`);
  }
}

function sharesNoVariable(options: OptionDeclarations): void {
  const owners = new Map<string, string>();
  for (const [name, option] of Object.entries(options)) {
    for (const variable of option.env ?? []) {
      const owner = owners.get(variable);
      assert(owner === undefined, `the options ${owner} and ${name} both read ${variable}`);
      assert(!variable.startsWith("ACMECTL_"), `${name}: ACMECTL_ variables follow by themselves`);
      owners.set(variable, name);
    }
  }
}
