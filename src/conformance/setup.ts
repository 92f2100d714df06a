/** What a test gives the suite, and what it gets. */
import type {
  ChallengeOf,
  ChallengeType,
  OptionDeclarations,
  OptionsOf,
  SolverPlugin,
  Zone,
} from "../plugin.ts";

export interface ConformanceCase {
  /** A sentence about the solver's behaviour. */
  readonly name: string;
  /** Rejects with an error that says what was expected and what was found. */
  readonly run: () => Promise<void>;
}

/** A solver, and how the suite sees what it writes. */
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
  /** Another program's value at the challenge's place, which must stay as it is. */
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

/** A value of another program. */
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
