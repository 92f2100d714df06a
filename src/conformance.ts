/** What every solver promises, as a list of named cases that any test runner can run. */
import assert from "node:assert/strict";
import type {
  ChallengeOf,
  ChallengeType,
  OptionDeclarations,
  OptionsOf,
  SolverPlugin,
  Zone,
} from "./plugin.ts";
import { failureCases } from "./conformance/failure.ts";
import { lifeCases } from "./conformance/life.ts";
import { crowdCases, foreignCases } from "./conformance/others.ts";
import { subjectOf } from "./conformance/subject.ts";
import { checkSolverPlugin } from "./solvers/shape.ts";

export interface ConformanceCase {
  /** A sentence about the solver's behaviour. */
  readonly name: string;
  /** Rejects with an error that says what was expected and what was found. */
  readonly run: () => Promise<void>;
}

/** What the suite needs to know of a solver and of the world that it writes to. */
export interface ConformanceSetup<
  T extends ChallengeType = ChallengeType,
  D extends OptionDeclarations = OptionDeclarations,
  Receipt = unknown,
> {
  readonly plugin: SolverPlugin<T, D, Receipt>;
  /** With these the solver works. */
  readonly options: OptionsOf<D>;
  /** The type to try when the plugin declares several; its first when absent. */
  readonly type?: T;
  /**
   * Everything that the world sees at the challenge's place: the body at its path (or nothing), all TXT values at
   * `recordName`, the digest that the TLS server shows. It may wait for what it expects, but not for ever.
   */
  visible(challenge: ChallengeOf<T>): Promise<readonly string[]>;
  /** Something of somebody else's at the challenge's place, to be left alone. */
  readonly foreign?: ForeignValue<T>;
  /** At least two names, without `*.`, that the solver can serve; `one.example.test` and `two.example.test` when absent. */
  readonly names?: readonly string[];
  /** Changes a challenge that the suite has made, e.g. its `recordName` where a CNAME leads elsewhere. */
  readonly adapt?: (challenge: ChallengeOf<T>) => ChallengeOf<T>;
  /** `findZone` of the solver's context; the last two labels when absent. */
  readonly findZone?: (recordName: string) => Promise<Zone>;
  /** How many values one place can hold at once; 8 when absent. */
  readonly values?: number;
  /** How many instances of the solver may live side by side; 8 when absent, 1 for a solver that holds a port. */
  readonly instances?: number;
  /** Option values with which preflight (or, without one, present) has to fail. */
  readonly broken?: readonly BrokenOptions<D>[];
}

/** A value of somebody else's. */
export interface ForeignValue<T extends ChallengeType = ChallengeType> {
  plant(challenge: ChallengeOf<T>): Promise<void>;
  /** The value and what belongs to it (its TTL, its mode), in any form that can be compared. */
  look(challenge: ChallengeOf<T>): Promise<unknown>;
  remove(challenge: ChallengeOf<T>): Promise<void>;
}

/** Options that cannot work, and what the Problem about them must say. */
export interface BrokenOptions<D extends OptionDeclarations = OptionDeclarations> {
  /** Completes the sentence "fails with a Problem when …". */
  readonly when: string;
  readonly options: OptionsOf<D>;
  /** Tested against the Problem's detail and hint. */
  readonly says?: RegExp;
}

/** The cases that apply to this solver. They share no state, but they write to one world: run them one after the other. */
export function solverConformance<
  T extends ChallengeType,
  D extends OptionDeclarations,
  Receipt = unknown,
>(setup: ConformanceSetup<T, D, Receipt>): readonly ConformanceCase[] {
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
  const { options } = plugin;
  return [
    {
      name: "is a solver plugin that acmectl loads",
      run: async () => void checkSolverPlugin(plugin, "under test"),
    },
    { name: "describes every option in a sentence", run: async () => describesEach(options) },
    { name: "gives no secret option a default or a flag", run: async () => keepsSecrets(options) },
    {
      name: "gives every option environment variables of its own",
      run: async () => sharesNoVariable(options),
    },
  ];
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
