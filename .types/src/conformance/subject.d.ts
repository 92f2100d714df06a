import type { ConformanceCase, ConformanceSetup } from "../conformance.ts";
import type {
  Call,
  ChallengeOf,
  ChallengeType,
  OptionDeclarations,
  OptionsOf,
  Solver,
  Target,
} from "../plugin.ts";
export interface Subject<T extends ChallengeType, D extends OptionDeclarations> {
  readonly type: T;
  readonly values: number;
  readonly instances: number;
  readonly concurrency: number;
  /** `count` challenges for one place; for tls-alpn-01, where a name shows one certificate, one name each. */
  challenges(count: number): readonly ChallengeOf<T>[];
  /** A case after which every solver made is closed; when it fails, what it presented is cleaned up as well as can be. */
  story(name: string, tell: (scene: Scene<T, D>) => Promise<void>): ConformanceCase;
}
export interface Scene<T extends ChallengeType, D extends OptionDeclarations> {
  /** A new instance, with the options that work unless others are given. The instances of a scene share their state. */
  solver(options?: OptionsOf<D>): Promise<Solver<T>>;
  present(solver: Solver<T>, challenge: ChallengeOf<T>): Promise<unknown>;
  visible(challenge: ChallengeOf<T>): Promise<readonly string[]>;
  expectVisible(...challenges: readonly ChallengeOf<T>[]): Promise<void>;
  expectGone(...challenges: readonly ChallengeOf<T>[]): Promise<void>;
  /** Fails when a secret of these options stands in `text`. */
  expectNoSecret(text: string, where: string, options?: OptionsOf<D>): void;
}
/** A call that nobody aborts. */
export declare const freely: Call;
/** Everything that the cases need of one setup. */
export declare function subjectOf<T extends ChallengeType, D extends OptionDeclarations, Receipt>(
  setup: ConformanceSetup<T, D, Receipt>,
): Subject<T, D>;
/** What preflight is told of a challenge that is to come. */
export declare function targetOf(challenge: ChallengeOf<ChallengeType>): Target;
/** Text as a log or an error reader might print it, errors with everything that hangs on them. */
export declare function textOf(value: unknown): string;
