/**
 * Anticipated failures, and the exit code that each ends the program with.
 *
 * A `Problem` carries an RFC 9457 document, with RFC 8555's `identifier` and `subproblems` (§6.7.1), and a hint that says
 * what to do. Anything else that is thrown is a bug in acmectl and exits with 1.
 */

/** What each exit code means. The one table: help, docs and tests read it. */
export const exitCodes = {
  0: "done, or nothing was due",
  1: "a bug in acmectl",
  2: "wrong usage, input or configuration",
  3: "local system error: storage, permissions, or a port in use",
  4: "network failure, or the server does not speak ACME",
  5: "the CA refused the request",
  6: "rate limited or backing off; the message says when to try again",
  7: "a solver or validation failed",
  8: "another run holds the lock (--no-wait)",
  9: "issued, but a deploy step failed",
  10: "a certificate was issued (--detailed-exitcode)",
  11: "some of several certificates failed, or a check or drill found something that needs attention",
  129: "stopped by SIGHUP",
  130: "stopped by SIGINT",
  143: "stopped by SIGTERM",
} as const;
export type ExitCode = keyof typeof exitCodes;

/** Our own kinds of problem; as a `type` each reads `urn:acmectl:problem:<kind>`. */
const kinds = {
  usage: { exitCode: 2, title: "Wrong usage", retryable: false },
  config: { exitCode: 2, title: "Wrong configuration", retryable: false },
  plugin: { exitCode: 2, title: "Solver plugin unusable", retryable: false },
  machine: { exitCode: 3, title: "Local system error", retryable: true },
  network: { exitCode: 4, title: "Network failure", retryable: true },
  protocol: { exitCode: 4, title: "The server does not follow ACME (RFC 8555)", retryable: true },
  refused: { exitCode: 5, title: "The CA refused", retryable: false },
  backoff: { exitCode: 6, title: "Backing off", retryable: true },
  limit: { exitCode: 6, title: "A limit of the CA is used up", retryable: true },
  dane: { exitCode: 6, title: "The next key is not announced for long enough", retryable: true },
  solver: { exitCode: 7, title: "A solver failed", retryable: true },
  propagation: { exitCode: 7, title: "The challenge response is not visible", retryable: true },
  validation: { exitCode: 7, title: "The CA could not validate the name", retryable: true },
  locked: { exitCode: 8, title: "Another run holds the lock", retryable: true },
  deploy: { exitCode: 9, title: "A deploy step failed", retryable: true },
  partial: { exitCode: 11, title: "Some certificates failed", retryable: true },
  interrupted: { exitCode: 130, title: "Interrupted", retryable: true },
} as const satisfies Record<string, { exitCode: ExitCode; title: string; retryable: boolean }>;
export type ProblemKind = keyof typeof kinds;

/** RFC 9457 members plus RFC 8555 §6.7's. `type` of a CA's problem is kept untouched. */
export interface ProblemDocument {
  type: string;
  title: string;
  status?: number | undefined;
  detail?: string | undefined;
  instance?: string | undefined;
  identifier?: { type: string; value: string } | undefined;
  subproblems?: readonly ProblemDocument[] | undefined;
}

export interface ProblemFields {
  /** One short line; the kind's own title when absent. */
  title?: string | undefined;
  /** What failed, where and why, naming the input and its source. */
  detail: string;
  /** What the reader should do next. */
  hint?: string | undefined;
  status?: number | undefined;
  instance?: string | undefined;
  identifier?: { type: string; value: string } | undefined;
  subproblems?: readonly ProblemDocument[] | undefined;
  /** When trying again makes sense: a CA's Retry-After or our own back-off. */
  retryAt?: Date | undefined;
  retryable?: boolean | undefined;
  exitCode?: ExitCode | undefined;
  /** True for what the CA answered, or left unanswered; never for a failure of a solver, the DNS or this machine. */
  fromCa?: boolean | undefined;
  cause?: unknown;
}

const brand = Symbol.for("acmectl.problem");
const ours = "urn:acmectl:problem:";

/** An anticipated failure. The first argument is one of our kinds, or a CA's problem type URI. */
export class Problem extends Error {
  readonly [brand] = true;
  readonly document: ProblemDocument;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;
  readonly retryable: boolean;
  readonly retryAt: Date | undefined;
  readonly fromCa: boolean;

  constructor(type: ProblemKind | (string & {}), fields: ProblemFields) {
    const kind = isKind(type) ? kinds[type] : kinds.refused;
    super(fields.detail, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = "Problem";
    this.hint = fields.hint;
    this.exitCode = fields.exitCode ?? kind.exitCode;
    this.retryable = fields.retryable ?? kind.retryable;
    this.retryAt = fields.retryAt;
    this.fromCa = fields.fromCa === true;
    const { title = kind.title, detail, status, instance, identifier, subproblems } = fields;
    const uri = isKind(type) ? ours + type : type;
    this.document = { type: uri, title, detail, status, instance, identifier, subproblems };
  }

  /** True for a Problem of any copy of this package, so that plugins may bring their own. */
  static is(error: unknown): error is Problem {
    return typeof error === "object" && error !== null && brand in error;
  }

  /** The same problem with some of its fields changed, e.g. its detail in another context. */
  with(change: Partial<ProblemFields>): Problem {
    const { type, detail = this.message, ...document } = this.document;
    const { hint, retryAt, retryable, exitCode, fromCa, cause } = this;
    return new Problem(type.startsWith(ours) ? type.slice(ours.length) : type, {
      ...document,
      detail,
      hint,
      retryAt,
      retryable,
      exitCode,
      fromCa,
      cause,
      ...change,
    });
  }

  /** True when the problem is of one of our kinds. */
  is(kind: ProblemKind): boolean {
    return this.document.type === ours + kind;
  }
}

/** Message and hint as one text, for a warning in the log. */
export function messageWithHint({ message, hint }: Problem): string {
  return hint === undefined ? message : `${message} Hint: ${hint}`;
}

/** As documents show it: RFC 9457 members and RFC 8555's subproblems, with the hint, the exit code and when to try again. */
export function problemJson({ document, hint, exitCode, retryable, retryAt }: Problem) {
  return { ...document, hint, code: exitCode, retryable, retryAt: retryAt?.toISOString() };
}

/** The Problem that was thrown. Anything else is a bug, and thrown on. */
export function asProblem(error: unknown): Problem {
  if (Problem.is(error)) return error;
  throw error;
}

function isKind(type: string): type is ProblemKind {
  return Object.hasOwn(kinds, type);
}

/** One failure stands for itself; several become one Problem with a subproblem each (RFC 8555 §6.7.1). */
export function combined(errors: readonly unknown[], kind: "solver" | "validation"): unknown {
  const distinct = [...new Set(errors)];
  const problems = distinct.filter((error) => Problem.is(error));
  const [first] = problems;
  if (problems.length < distinct.length) return distinct.find((error) => !Problem.is(error));
  if (first === undefined || problems.length === 1) return first;
  const worst = problems.find(({ exitCode }) => exitCode !== 7) ?? first;
  return new Problem(worst.exitCode === 7 ? kind : worst.document.type, {
    title: `${problems.length} names failed`,
    detail: problems.map(({ message }) => message).join("\n"),
    subproblems: problems.flatMap(({ document }) => document.subproblems ?? [document]),
    exitCode: worst.exitCode,
    retryable: problems.some(({ retryable }) => retryable),
    hint: worst.hint,
    retryAt: worst.retryAt,
    fromCa: problems.every(({ fromCa }) => fromCa),
    cause: first,
  });
}
