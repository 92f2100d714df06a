import { dateOf } from "../dates.ts";
import { messageOf } from "../errors.ts";
import { shortList } from "../many-names.ts";
import { Problem } from "../problem.ts";
import type { Renewal } from "./renew.ts";

/**
 * All failures of a pass as one Problem; undefined when there are none. One certificate's failure keeps its own code; only
 * failed deploy steps are 9 and only waiting certificates 6; a mixture of several certificates is 11, and 1 with a bug of ours.
 */
export function problemOfPass(renewals: readonly Renewal[]): Problem | undefined {
  const failures = renewals.flatMap(failuresOf);
  const [first] = failures;
  if (first === undefined) return undefined;
  const fields = {
    detail: linesOf(failures).join("\n"),
    hint: hintOf(failures, renewals.length),
    retryable: failures.some(({ retryable }) => retryable),
    retryAt: soonestOf(failures),
  };
  if (failures.some(({ kind }) => kind === "bug"))
    return new Problem(bugType, { ...fields, title: bugTitle, exitCode: 1, retryable: false });
  if (renewals.length === 1 && first.kind === "failed") return withRest(first, failures.slice(1));
  const subproblems = failures.flatMap(({ problem }) => problem?.document ?? []);
  return new Problem(typeOf(failures, renewals.length), {
    ...fields,
    subproblems: subproblems.length === 0 ? undefined : subproblems,
  });
}

/** One line for all certificates with the same reason, such as a limit of their account. */
function linesOf(failures: readonly Failure[]): readonly string[] {
  const byText = Map.groupBy(failures, ({ text }) => text);
  return [...byText].map(([text, all]) => `${shortList(all.map(({ name }) => name))}: ${text}`);
}

/** Why one certificate failed, a bug included; undefined when it did not. */
export function problemOf({ problem, deployProblem, bug }: Renewal): Problem | undefined {
  if (bug === undefined) return problem ?? deployProblem;
  const detail = messageOf(bug);
  return new Problem(bugType, { title: bugTitle, detail, exitCode: 1, cause: bug });
}

const bugType = "urn:acmectl:problem:bug";
const bugTitle = "A bug in acmectl";

interface Failure {
  readonly name: string;
  readonly kind: "bug" | "failed" | "undeployed" | "refused" | "waiting";
  readonly text: string;
  readonly retryable: boolean;
  readonly retryAt?: Date | undefined;
  readonly problem?: Problem | undefined;
}

/** The most serious first. */
function failuresOf(renewal: Renewal): readonly Failure[] {
  const { name, problem, deployProblem, bug, pause } = renewal;
  const of = (kind: Failure["kind"], one: Problem | undefined): readonly Failure[] => {
    if (one === undefined) return [];
    const { message: text, retryable, retryAt } = one;
    return [{ name, kind, text, retryable, retryAt, problem: one }];
  };
  const text = `a bug: ${messageOf(bug)}`;
  return [
    ...(bug === undefined ? [] : [{ name, kind: "bug", text, retryable: false } as const]),
    ...of("failed", problem),
    ...of("undeployed", deployProblem),
    // Off is what the operator wants.
    ...(pause === undefined || pause.reason === "off" ? [] : [waiting(name, pause)]),
  ];
}

function waiting(name: string, { reason, until }: NonNullable<Renewal["pause"]>): Failure {
  if (reason === "permanent") {
    const text = "the CA rejects this request; it is not retried until the request changes";
    return { name, kind: "refused", text, retryable: false };
  }
  const text = {
    ca: `the CA accepts no order before ${dateOf(until)}`,
    cap: `the CA has issued for these names four times within a week; not ordering before ${dateOf(until)}`,
    limit: `a limit of the CA is used up; not ordering before ${dateOf(until)}`,
    backoff: `backing off until ${dateOf(until)} after a failure`,
    off: "its renewal is off",
  }[reason];
  return { name, kind: "waiting", text, retryable: true, retryAt: until };
}

/** The failure of the only certificate, and what else is wrong with it. */
function withRest({ problem, text }: Failure, rest: readonly Failure[]): Problem | undefined {
  if (rest.length === 0) return problem;
  return problem?.with({ detail: [text, ...rest.map((one) => one.text)].join(" Also: ") });
}

function typeOf(failures: readonly Failure[], all: number): "deploy" | "backoff" | "partial" {
  const isWaiting = ({ kind, problem }: Failure) =>
    kind === "waiting" || kind === "refused" || (kind === "failed" && problem?.exitCode === 6);
  if (failures.every(isWaiting)) return "backoff";
  const isDeploy = ({ kind }: Failure) => kind === "undeployed";
  return failures.every(isDeploy) || all === 1 ? "deploy" : "partial";
}

/** When to come back, if a time is known for each of them. */
function soonestOf(failures: readonly Failure[]): Date | undefined {
  const times = failures.flatMap(({ retryAt }) => retryAt ?? []);
  if (times.length < failures.length) return undefined;
  return times.toSorted((a, b) => a.getTime() - b.getTime())[0];
}

function hintOf(failures: readonly Failure[], all: number): string {
  const failed = new Set(failures.map(({ name }) => name)).size;
  return [
    ...Object.entries(hints).flatMap(([kind, hint]) =>
      failures.some((one) => one.kind === kind) ? [hint] : [],
    ),
    ...(failed < all ? ["The others are not affected."] : []),
  ].join(" ");
}

const hints: Readonly<Record<Failure["kind"], string>> = {
  bug: "Report the bug, with the output of `acmectl renew NAME --verbose`.",
  failed: "Run `acmectl status NAME` for details.",
  undeployed:
    "Fix the deploy step; the next run, or `acmectl deploy`, repeats it without a new order.",
  refused:
    "Fix the cause of the refusal (see `acmectl status NAME`), then run `acmectl renew --force NAME`.",
  waiting:
    "Wait for the first run after the back-off, or try now with --force, unless the CA set the time.",
};
