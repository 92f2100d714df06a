import type { ExitCode } from "../problem.ts";
import type { Block, Result } from "../result.ts";
import { toldProblem } from "../status/broken.ts";
import { describeHeld } from "../status/describe.ts";
import type { Renewal } from "./renew.ts";
import { problemOf, problemOfPass } from "./troubles.ts";

/** What a pass over the certificates came to: the exit code, the document and the lines for people. */
export function reportRenewals(
  renewals: readonly Renewal[],
  { detailed, dryRun = false }: { detailed: boolean; dryRun?: boolean },
  now: Date,
): Result {
  const [only] = renewals;
  // Its stack is worth more than a document that says nothing else.
  if (renewals.length === 1 && only?.bug !== undefined) throw only.bug;
  const fresh = renewals.filter((one) => one.outcome === "renewed");
  const problem = problemOfPass(renewals);
  const exitCode: ExitCode = problem?.exitCode ?? (detailed && fresh.length > 0 ? 10 : 0);
  return {
    exitCode,
    document: {
      outcome: problem === undefined ? outcomeOf(fresh) : "failed",
      certificates: renewals.map((one) => (dryRun ? rehearsed(one) : documentOf(one, now))),
    },
    view: dryRun ? dryView(renewals) : viewOf(renewals),
    ...(problem === undefined ? {} : { problem }),
  };
}

function outcomeOf(fresh: readonly Renewal[]): "unchanged" | "issued" | "renewed" {
  if (fresh.length === 0) return "unchanged";
  return fresh.every(isFirst) ? "issued" : "renewed";
}

/** Nothing was held before. */
function isFirst({ outcome, held }: Renewal): boolean {
  return outcome === "renewed" && held?.version === 1;
}

function documentOf(renewal: Renewal, now: Date): Record<string, unknown> {
  const { name, due, held, pause } = renewal;
  const outcome = isFirst(renewal) ? "issued" : renewal.outcome.replace(" ", "-");
  const shown = problemOf(renewal);
  return {
    ...(held === undefined ? {} : describeHeld({ name }, held, outcome, now).document),
    name,
    outcome,
    dueAt: due.at.toISOString(),
    reason: due.reason,
    ...(pause === undefined
      ? {}
      : {
          ...(pause.reason === "permanent" ? {} : { retryAt: pause.until.toISOString() }),
          retryReason: pause.reason,
        }),
    ...(shown === undefined ? {} : { problem: toldProblem(shown) }),
  };
}

function viewOf(renewals: readonly Renewal[]): readonly Block[] {
  const lines = renewals.flatMap((renewal): Block[] => {
    const { name, outcome, held } = renewal;
    if (outcome === "renewed") {
      return [
        {
          kind: "line",
          tone: "good",
          text: `${isFirst(renewal) ? "Issued" : "Renewed"} ${name}, valid until ${held?.meta.notAfter}.`,
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
  const { name, outcome } = renewal;
  const problem = problemOf(renewal);
  const shown = problem === undefined ? {} : { problem: toldProblem(problem) };
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
