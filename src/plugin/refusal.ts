/** A provider's refusal, and what it means to the reader. */
import { Problem } from "../problem.ts";
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
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number | undefined;
  readonly reasons: readonly string[];
  readonly retryAfter: number | undefined;
  readonly throttled: boolean;
  readonly lost: boolean;
  /** ` after 5 attempts in 12 s`, or nothing after the first. */
  effort = "";

  constructor(fields: RefusalFields) {
    super(fields.words);
    this.status = fields.status;
    this.reasons = fields.reasons ?? [];
    this.retryAfter = fields.retryAfter;
    this.throttled = fields.throttled ?? false;
    this.lost = fields.lost ?? false;
  }

  /** True when one of `reasons` is among the provider's. */
  says(...reasons: readonly string[]): boolean {
    return this.reasons.some((reason) => reasons.includes(reason));
  }
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
export function explainRefusals(explanations: Explanations): Explain {
  return async (doing, signal, work) => {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error instanceof Refusal ? problemOf(error, doing, explanations) : error;
    }
  };
}

function problemOf(
  refusal: Refusal,
  doing: string,
  { vendor, meanings, identity }: Explanations,
): Problem {
  const { status, retryAfter, message, effort } = refusal;
  const meaning = meanings.find(({ when }) => when(refusal));
  const { title, hint } = meaning ?? {};
  return new Problem(meaning?.kind ?? "solver", {
    detail: `${vendor}: cannot ${doing} ${identity()}: ${message}${effort}`,
    title,
    hint: typeof hint === "function" ? hint(refusal) : hint,
    status,
    retryAt: retryAfter === undefined ? undefined : new Date(Date.now() + retryAfter),
  });
}
