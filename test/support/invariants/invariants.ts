/**
 * What acmectl promises of every run, whatever happens to it. `test/support/run.ts` and `test/support/spawn.ts` check it
 * after each run of every test; a test that breaks one on purpose excuses it with a reason.
 */
import { orderRules } from "./orders.ts";
import { outputRules } from "./output.ts";
import { databaseRules } from "./postgres-rules.ts";
import type { RunSeen } from "./rule.ts";
import { stateRules } from "./state-rules.ts";
import { surroundingRules } from "./surrounding-rules.ts";

const rules = {
  ...stateRules,
  ...orderRules,
  ...outputRules,
  ...surroundingRules,
  ...databaseRules,
};

export type Invariant = keyof typeof rules;
export const invariants = Object.keys(rules) as Invariant[];
/** The invariants that a test breaks on purpose, each with the reason. */
export type Excused = Readonly<Partial<Record<Invariant, string>>>;

/** All faults of a run; none if it kept what is promised. */
export function faultsOf(run: RunSeen, excused: Excused = {}): readonly string[] {
  const checked = invariants.filter((name) => excused[name] === undefined);
  return checked.flatMap((name) => rules[name](run).map((fault) => `${name}: ${fault}`));
}

/** Throws for a run that did not keep what is promised. */
export function assertInvariants(run: RunSeen, excused: Excused = {}): void {
  const faults = faultsOf(run, excused);
  if (faults.length === 0) return;
  const ended = run.code === null ? "was killed" : `exited with ${run.code}`;
  throw new Error(
    [
      `acmectl ${run.words.join(" ")} ${ended} and broke what is promised of every run:`,
      ...faults.map((fault) => `  - ${fault}`),
      `stdout: ${run.stdout}`,
      `stderr: ${run.stderr}`,
    ].join("\n"),
  );
}
