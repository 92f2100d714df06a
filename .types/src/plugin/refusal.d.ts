import type { ProblemKind } from "../problem.ts";
export interface RefusalFields {
  /** The provider's message, or the system's when no answer came, on one line. */
  readonly words: string;
  /** HTTP status; absent when no answer came, or one that cannot be the provider's. */
  readonly status?: number | undefined;
  /** The provider's error codes, e.g. `AuthorizationFailed`. */
  readonly reasons?: readonly string[];
  /** Milliseconds after which the provider wants to be asked again. */
  readonly retryAfter?: number | undefined;
  /** Rate limiting. */
  readonly throttled?: boolean | undefined;
  /** The connection broke, or no whole answer came in time. */
  readonly lost?: boolean | undefined;
}
/** An answer that is not what was asked for, or no answer. */
export declare class Refusal extends Error {
  readonly name = "Refusal";
  readonly status: number | undefined;
  readonly reasons: readonly string[];
  readonly retryAfter: number | undefined;
  readonly throttled: boolean;
  readonly lost: boolean;
  /** ` after 5 attempts in 12 s`, or nothing after the first. */
  effort: string;
  constructor(fields: RefusalFields);
  /** True when one of `reasons` is among the provider's. */
  says(...reasons: readonly string[]): boolean;
}
/** What some refusals mean. */
export interface Meaning {
  readonly when: (refusal: Refusal) => boolean;
  readonly kind: ProblemKind;
  readonly title: string;
  /** What to do about it; begins with a verb. */
  readonly hint: string | ((refusal: Refusal) => string);
}
export interface Explanations {
  /** The provider's name. */
  readonly vendor: string;
  /** The first that applies counts; without one only the provider's words are shown. */
  readonly meanings: readonly Meaning[];
  /** Whose credentials were used, e.g. `as service account x` or `with the API token (token)`; never a secret. */
  readonly identity: () => string;
}
/** Does `work`; `doing` completes "cannot …". */
export type Explain = <T>(doing: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;
/** Turns each `Refusal` of what it does into a Problem. Other errors pass through; an aborted signal's reason comes first. */
export declare function explainRefusals(explanations: Explanations): Explain;
