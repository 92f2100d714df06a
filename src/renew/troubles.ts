import { Problem } from "../problem.ts";
import type { Renewal } from "./renew.ts";
import { messageOf } from "../errors.ts";

/**
 * All that went wrong in a pass as one Problem; undefined when nothing did. One certificate's failure keeps its own code, deploy
 * steps alone are 9 and pauses alone 6; of several certificates with one thing or another it is 11, and 1 with a bug of ours.
 */
export function problemOfPass(renewals: readonly Renewal[]): Problem | undefined {
  const troubles = renewals.flatMap(troublesOf);
  const [first] = troubles;
  if (first === undefined) return undefined;
  const told = {
    detail: troubles.map(({ name, text }) => `${name}: ${text}`).join("\n"),
    hint: hintOf(troubles, renewals.length),
    retryable: troubles.some(({ retryable }) => retryable),
    ...soonestOf(troubles),
  };
  if (troubles.some(({ kind }) => kind === "bug"))
    return new Problem(bugType, { ...told, title: bugTitle, exitCode: 1, retryable: false });
  if (renewals.length === 1 && first.kind === "failed") return withRest(first, troubles.slice(1));
  const subproblems = troubles.flatMap(({ problem }) =>
    problem === undefined ? [] : [problem.document],
  );
  return new Problem(typeOf(troubles, renewals.length), {
    ...told,
    ...(subproblems.length === 0 ? {} : { subproblems }),
  });
}

/** Why one certificate failed, a bug included; undefined when it did not. */
export function problemOf({ problem, deployProblem, bug }: Renewal): Problem | undefined {
  if (bug === undefined) return problem ?? deployProblem;
  const detail = messageOf(bug);
  return new Problem(bugType, { title: bugTitle, detail, exitCode: 1, cause: bug });
}

const bugType = "urn:acmectl:problem:bug";
const bugTitle = "A bug in acmectl";

type Kind = "bug" | "failed" | "undeployed" | "waiting" | "stopped";

interface Trouble {
  readonly name: string;
  readonly kind: Kind;
  readonly text: string;
  readonly retryable: boolean;
  readonly retryAt?: Date;
  readonly problem?: Problem;
}

/** The weightiest first. */
function troublesOf(renewal: Renewal): readonly Trouble[] {
  const { name, problem, deployProblem, bug, pause } = renewal;
  return [
    ...(bug === undefined
      ? []
      : [{ name, kind: "bug", text: `a bug: ${messageOf(bug)}`, retryable: false } as const]),
    ...(problem === undefined ? [] : [troubleOf(name, "failed", problem)]),
    ...(deployProblem === undefined ? [] : [troubleOf(name, "undeployed", deployProblem)]),
    ...(pause === undefined ? [] : [pauseTrouble(name, pause)]),
  ];
}

function troubleOf(name: string, kind: Kind, problem: Problem): Trouble {
  const { message: text, retryable, retryAt } = problem;
  return { name, kind, text, retryable, problem, ...(retryAt === undefined ? {} : { retryAt }) };
}

function pauseTrouble(name: string, { reason, until }: NonNullable<Renewal["pause"]>): Trouble {
  if (reason === "permanent") {
    const text = "the CA will never accept this request as it is";
    return { name, kind: "stopped", text, retryable: false };
  }
  const time = until.toISOString();
  const text =
    reason === "ca"
      ? `the CA wants no request before ${time}`
      : `backing off until ${time} after a failure`;
  return { name, kind: "waiting", text, retryable: true, retryAt: until };
}

/** The failure of the only certificate, and what is wrong with it besides. */
function withRest({ problem, text }: Trouble, rest: readonly Trouble[]): Problem | undefined {
  if (rest.length === 0) return problem;
  return problem?.with({ detail: [text, ...rest.map((one) => one.text)].join(" Besides: ") });
}

function typeOf(troubles: readonly Trouble[], all: number): "deploy" | "backoff" | "partial" {
  const isPause = ({ kind }: Trouble) => kind === "waiting" || kind === "stopped";
  if (troubles.every(isPause)) return "backoff";
  const isDeploy = ({ kind }: Trouble) => kind === "undeployed";
  return troubles.every(isDeploy) || all === 1 ? "deploy" : "partial";
}

/** When to come back, where a time is known for each of them. */
function soonestOf(troubles: readonly Trouble[]): { retryAt?: Date } {
  const times = troubles.flatMap(({ retryAt }) => retryAt ?? []);
  const soonest = times.toSorted((a, b) => a.getTime() - b.getTime())[0];
  return soonest === undefined || times.length < troubles.length ? {} : { retryAt: soonest };
}

function hintOf(troubles: readonly Trouble[], all: number): string {
  const kinds = new Set(troubles.map(({ kind }) => kind));
  const troubled = new Set(troubles.map(({ name }) => name)).size;
  return [
    ...Object.entries(hints).flatMap(([kind, hint]) =>
      [...kinds].some((one) => one === kind) ? [hint] : [],
    ),
    ...(troubled < all ? ["The others are not affected."] : []),
  ].join(" ");
}

const hints: Readonly<Record<Kind, string>> = {
  bug: "Please report the bug, with what `acmectl renew NAME --verbose` prints.",
  failed: "Each failure has its own story: acmectl status NAME.",
  undeployed:
    "What is issued and not deployed is repeated by the next run, or by `acmectl deploy`, without a new order.",
  stopped:
    "What was refused for good is not tried again by itself: mend the cause (acmectl status NAME tells it), then acmectl renew --force NAME.",
  waiting:
    "What backs off is tried again by the first run after that; --force tries now, unless the CA has named the time.",
};
