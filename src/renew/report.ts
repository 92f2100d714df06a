import { Problem, type ExitCode } from "../problem.ts";
import type { Block, Result } from "../result.ts";
import { describeHeld } from "./describe.ts";
import type { Renewal } from "./renew.ts";

/** What a pass over the certificates came to: the exit code, the document and the lines for people. */
export function reportRenewals(
  renewals: readonly Renewal[],
  { detailed, dryRun = false }: { detailed: boolean; dryRun?: boolean },
  now: Date,
): Result {
  const bug = renewals.find((one) => one.bug !== undefined);
  if (bug !== undefined) throw bug.bug;
  const failed = renewals.filter((one) => one.problem !== undefined);
  const undeployed = renewals.filter((one) => one.deployProblem !== undefined);
  const paused = renewals.filter((one) => one.outcome === "paused");
  const renewed = renewals.filter((one) => one.outcome === "renewed");
  const problem = problemOf(renewals, failed, undeployed, paused);
  const exitCode: ExitCode = problem?.exitCode ?? (detailed && renewed.length > 0 ? 10 : 0);
  return {
    exitCode,
    document: {
      outcome: problem === undefined ? (renewed.length > 0 ? "renewed" : "unchanged") : "failed",
      certificates: renewals.map((one) => (dryRun ? rehearsed(one) : documentOf(one, now))),
    },
    view: dryRun ? dryView(renewals) : viewOf(renewals),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** One certificate's failure keeps its own code; of several certificates, some of which are well, it is 11. */
function problemOf(
  all: readonly Renewal[],
  failed: readonly Renewal[],
  undeployed: readonly Renewal[],
  paused: readonly Renewal[],
): Problem | undefined {
  const [first] = failed;
  if (first?.problem !== undefined) {
    if (all.length === 1) return first.problem;
    return new Problem("partial", {
      detail: failed.map(({ name, problem }) => `${name}: ${problem?.message}`).join("\n"),
      subproblems: failed.flatMap(({ problem }) =>
        problem === undefined ? [] : [problem.document],
      ),
      hint: "Each has its own story: acmectl status NAME. The others are not affected.",
    });
  }
  if (undeployed[0] !== undefined) {
    return new Problem("deploy", {
      detail: undeployed
        .map(({ name, deployProblem }) => `${name}: ${deployProblem?.message}`)
        .join("\n"),
      hint: "The certificates are issued. The next run, or `acmectl deploy`, repeats what failed without a new order.",
    });
  }
  return paused.length === 0 ? undefined : pausedProblem(paused);
}

function pausedProblem(paused: readonly Renewal[]): Problem {
  const permanent = paused.filter(({ pause }) => pause?.reason === "permanent");
  const waiting = paused.flatMap(({ pause }) =>
    pause === undefined || pause.reason === "permanent" ? [] : [pause.until],
  );
  const soonest = waiting.toSorted((a, b) => a.getTime() - b.getTime())[0];
  return new Problem("backoff", {
    detail: paused.map(({ name, pause }) => `${name}: ${describePause(pause)}`).join("\n"),
    hint:
      permanent.length === 0
        ? "It is tried again by the first run after that; --force tries now, unless the CA has named the time."
        : "Mend the cause (acmectl status NAME tells it), then acmectl renew --force NAME.",
    ...(soonest === undefined ? {} : { retryAt: soonest }),
  });
}

function describePause(pause: Renewal["pause"]): string {
  if (pause?.reason === "permanent") return "the CA will never accept this request as it is";
  const until = pause?.until.toISOString() ?? "later";
  return pause?.reason === "ca"
    ? `the CA wants no request before ${until}`
    : `backing off until ${until} after a failure`;
}

function documentOf(renewal: Renewal, now: Date): Record<string, unknown> {
  const { name, outcome, due, held, problem, pause, deployProblem } = renewal;
  const shown = problem ?? deployProblem;
  return {
    ...(held === undefined ? {} : describeHeld({ name }, held, outcome, now).document),
    name,
    outcome: outcome.replace(" ", "-"),
    dueAt: due.at.toISOString(),
    reason: due.reason,
    ...(pause === undefined
      ? {}
      : { retryAt: pause.until.toISOString(), retryReason: pause.reason }),
    ...(shown === undefined ? {} : { problem: { ...shown.document, hint: shown.hint } }),
  };
}

function viewOf(renewals: readonly Renewal[]): readonly Block[] {
  const lines = renewals.flatMap(({ name, outcome, held }): Block[] => {
    if (outcome === "renewed") {
      return [
        {
          kind: "line",
          tone: "good",
          text: `Renewed ${name}, valid until ${held?.meta.notAfter}.`,
        },
      ];
    }
    return outcome === "postponed"
      ? [{ kind: "line", text: `${name} is due and left for the next run (--max).` }]
      : [];
  });
  if (lines.length > 0 || renewals.some(({ outcome }) => outcome !== "not due")) return lines;
  const next = renewals.toSorted((a, b) => a.due.at.getTime() - b.due.at.getTime())[0];
  const text =
    next === undefined
      ? "There are no certificates yet: acmectl issue -d NAME."
      : `Nothing is due. Next: ${next.name}, ${next.due.at.toISOString()}.`;
  return [{ kind: "line", text, tone: "dim" }];
}

function rehearsed(renewal: Renewal): Record<string, unknown> {
  const { name, outcome, problem } = renewal;
  const shown =
    problem === undefined ? {} : { problem: { ...problem.document, hint: problem.hint } };
  return { name, outcome: outcome === "renewed" ? "dry-run" : outcome, ...shown };
}

function dryView(renewals: readonly Renewal[]): readonly Block[] {
  return renewals
    .filter(({ outcome }) => outcome === "renewed")
    .map(({ name }) => ({
      kind: "line",
      tone: "good",
      text: `Dry run: ${name} can be renewed. Nothing was kept.`,
    }));
}
