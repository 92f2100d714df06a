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
  /** The HTTP status, some of the provider's error codes, or anything else that can be asked of the refusal. */
  readonly when: number | readonly string[] | ((refusal: Refusal) => boolean);
  /** `config` when absent. */
  readonly kind?: ProblemKind;
  readonly title: string;
  /** What to do about it; begins with a verb. */
  readonly hint: string | ((refusal: Refusal) => string);
}

export interface Explanations {
  /** The provider's name. */
  readonly vendor: string;
  /** The first that applies counts. */
  readonly meanings: readonly Meaning[];
  /** What to do about refusals that every provider has. */
  readonly hints?: {
    /** No answer came, or one that is not the provider's. */
    readonly connection?: string;
    /** Too many requests. */
    readonly limit?: string;
    /** Everything without a meaning. */
    readonly other?: string;
  };
  /** Whose credentials were used, e.g. `as service account x` or `with the API token (token)`; never a secret. */
  readonly identity: () => string;
}

/** Does `work`; `doing` completes "cannot …". */
export type Explain = <T>(doing: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

/** Turns each `Refusal` of what it does into a Problem. Other errors pass through; an aborted signal's reason comes first. */
export function explainRefusals(explanations: Explanations): Explain {
  const meanings = withCommon(explanations);
  return async (doing, signal, work) => {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error instanceof Refusal ? problemOf(error, doing, explanations, meanings) : error;
    }
  };
}

function withCommon({ vendor, meanings, hints = {} }: Explanations): readonly Meaning[] {
  return [
    {
      kind: "network",
      when: ({ status = 300 }) => status >= 300 && status < 400,
      title: `Unexpected response instead of ${vendor}'s API`,
      hint: hints.connection ?? "Check the connection (proxy, firewall, captive portal, DNS).",
    },
    {
      kind: "solver",
      // 409 is a conflict, though it is repeated like a rate limit.
      when: ({ status, throttled }) => throttled && status !== 409,
      title: `${vendor} is rate limiting`,
      hint: hints.limit ?? "Run again later.",
    },
    ...meanings,
    {
      kind: "solver",
      when: () => true,
      title: `${vendor} failed`,
      hint: hints.other ?? "Run again later. If it does not pass, ask the provider.",
    },
  ];
}

function applies({ when }: Meaning, refusal: Refusal): boolean {
  if (typeof when === "number") return refusal.status === when;
  return typeof when === "function" ? when(refusal) : refusal.says(...when);
}

/** Milliseconds. A provider that wants a longer wait is not believed. */
const month = 30 * 24 * 3_600_000;

function problemOf(
  refusal: Refusal,
  doing: string,
  { vendor, identity }: Explanations,
  meanings: readonly Meaning[],
): Problem {
  const { status, retryAfter, message, effort } = refusal;
  const meaning = meanings.find((one) => applies(one, refusal));
  const { kind = "config", title, hint } = meaning ?? {};
  return new Problem(kind, {
    detail: `${vendor}: cannot ${doing} ${identity()}: ${message}${effort}`,
    title,
    hint: typeof hint === "function" ? hint(refusal) : hint,
    status,
    retryAt:
      retryAfter === undefined ? undefined : new Date(Date.now() + Math.min(retryAfter, month)),
  });
}
