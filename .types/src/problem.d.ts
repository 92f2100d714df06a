/**
 * Anticipated failures, and the exit code that each ends the program with.
 *
 * A `Problem` carries an RFC 9457 document, with RFC 8555's `identifier` and `subproblems` (§6.7.1), and a hint that says
 * what to do. Anything else that is thrown is a bug in acmectl and exits with 1.
 */
/** What each exit code means. The one table: help, docs and tests read it. */
export declare const exitCodes: {
  readonly 0: "done, or nothing was due";
  readonly 1: "a bug in acmectl";
  readonly 2: "usage, input or configuration";
  readonly 3: "this machine: storage, permissions, a port in use";
  readonly 4: "network, or the server does not speak ACME";
  readonly 5: "the CA refused";
  readonly 6: "rate limited or backing off; the time to come back is in the message";
  readonly 7: "a solver or the validation failed";
  readonly 8: "another run holds the lock (--no-wait)";
  readonly 9: "issued, but a deploy step failed";
  readonly 10: "something was issued (--detailed-exitcode)";
  readonly 11: "of several certificates some failed, or status --check found one that needs attention";
  readonly 129: "ended by SIGHUP";
  readonly 130: "ended by SIGINT";
  readonly 143: "ended by SIGTERM";
};
export type ExitCode = keyof typeof exitCodes;
/** Our own kinds of problem; as a `type` each reads `urn:acmectl:problem:<kind>`. */
declare const kinds: {
  readonly usage: {
    readonly exitCode: 2;
    readonly title: "Wrong usage";
    readonly retryable: false;
  };
  readonly config: {
    readonly exitCode: 2;
    readonly title: "Wrong configuration";
    readonly retryable: false;
  };
  readonly plugin: {
    readonly exitCode: 2;
    readonly title: "Solver plugin unusable";
    readonly retryable: false;
  };
  readonly machine: {
    readonly exitCode: 3;
    readonly title: "Local system error";
    readonly retryable: true;
  };
  readonly network: {
    readonly exitCode: 4;
    readonly title: "Network failure";
    readonly retryable: true;
  };
  readonly protocol: {
    readonly exitCode: 4;
    readonly title: "The server does not follow ACME (RFC 8555)";
    readonly retryable: true;
  };
  readonly refused: {
    readonly exitCode: 5;
    readonly title: "The CA refused";
    readonly retryable: false;
  };
  readonly backoff: {
    readonly exitCode: 6;
    readonly title: "Backing off";
    readonly retryable: true;
  };
  readonly solver: {
    readonly exitCode: 7;
    readonly title: "A solver failed";
    readonly retryable: true;
  };
  readonly propagation: {
    readonly exitCode: 7;
    readonly title: "The challenge response is not visible";
    readonly retryable: true;
  };
  readonly validation: {
    readonly exitCode: 7;
    readonly title: "The CA could not validate the name";
    readonly retryable: true;
  };
  readonly locked: {
    readonly exitCode: 8;
    readonly title: "Another run holds the lock";
    readonly retryable: true;
  };
  readonly deploy: {
    readonly exitCode: 9;
    readonly title: "A deploy step failed";
    readonly retryable: true;
  };
  readonly partial: {
    readonly exitCode: 11;
    readonly title: "Some certificates failed";
    readonly retryable: true;
  };
  readonly interrupted: {
    readonly exitCode: 130;
    readonly title: "Interrupted";
    readonly retryable: true;
  };
};
export type ProblemKind = keyof typeof kinds;
/** RFC 9457 members plus RFC 8555 §6.7's. `type` of a CA's problem is kept untouched. */
export interface ProblemDocument {
  type: string;
  title: string;
  status?: number;
  detail?: string;
  instance?: string;
  identifier?: {
    type: string;
    value: string;
  };
  subproblems?: readonly ProblemDocument[];
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
  identifier?:
    | {
        type: string;
        value: string;
      }
    | undefined;
  subproblems?: readonly ProblemDocument[] | undefined;
  /** When trying again makes sense: a CA's Retry-After or our own back-off. */
  retryAt?: Date | undefined;
  retryable?: boolean | undefined;
  exitCode?: ExitCode | undefined;
  cause?: unknown;
}
declare const brand: unique symbol;
/** An anticipated failure. The first argument is one of our kinds, or a CA's problem type URI. */
export declare class Problem extends Error {
  readonly [brand] = true;
  readonly document: ProblemDocument;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;
  readonly retryable: boolean;
  readonly retryAt: Date | undefined;
  constructor(type: ProblemKind | (string & {}), fields: ProblemFields);
  /** True for a Problem of any copy of this package, so that plugins may bring their own. */
  static is(error: unknown): error is Problem;
  /** The same problem with some of its fields changed, e.g. its detail in another context. */
  with(change: Partial<ProblemFields>): Problem;
  /** True when the problem is of one of our kinds. */
  is(kind: ProblemKind): boolean;
}
export {};
