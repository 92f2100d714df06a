import type { Context } from "../context.ts";
import { dateFrom } from "../dates.ts";
import { type ExitCode, problemJson } from "../problem.ts";
import type { Block, Result } from "../result.ts";
import type { Store } from "../state/store.ts";
import { hasNoEnd } from "../status/due.ts";
import { describeHeld } from "../status/describe.ts";
import { problemOf, problemOfPass } from "./problem.ts";
import type { Quiet } from "./quiet.ts";
import type { Renewal } from "./renew.ts";

/** With where their files are, which a JSON document says. */
export async function withFiles(
  renewals: readonly Renewal[],
  store: Store,
  { sourceOf }: Pick<Context, "sourceOf">,
): Promise<readonly Renewal[]> {
  if (sourceOf("json") === "not given") return renewals;
  const all = renewals.map(async (one) => ({
    ...one,
    files: one.held && (await store.certificates.files(one.name, one.held)),
  }));
  return Promise.all(all);
}

/** The result of a pass: the exit code, the document and the lines for people. */
export function reportRenewals(
  renewals: readonly Renewal[],
  { detailed, dryRun = false }: { detailed: boolean; dryRun?: boolean | "authorizations" },
  now: Date,
): Result {
  const [only] = renewals;
  // Its stack says more than a document with nothing else in it.
  if (renewals.length === 1 && only?.bug !== undefined) throw only.bug;
  const fresh = renewals.filter((one) => one.outcome === "renewed");
  const problem = problemOfPass(renewals);
  const exitCode: ExitCode = problem?.exitCode ?? (detailed && fresh.length > 0 ? 10 : 0);
  return {
    exitCode,
    document: {
      outcome: problem === undefined ? outcomeOf(fresh, dryRun) : "failed",
      // Made for --json alone.
      get certificates() {
        return renewals.map((one) => (dryRun === false ? documentOf(one, now) : rehearsed(one)));
      },
    },
    view:
      dryRun === false
        ? viewOf(renewals, now)
        : fresh.map(({ name }) => rehearsedLine(name, dryRun === "authorizations")),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** The same for people, by what an earlier pass noted. */
export function reportQuiet({ next: { name, at } }: Pick<Quiet, "next">, now: Date): Result {
  return {
    document: { outcome: "unchanged" },
    view: [nothingDue({ name, at: new Date(at) }, now)],
  };
}

function outcomeOf(fresh: readonly Renewal[], dryRun: boolean | "authorizations"): string {
  if (dryRun !== false) return "dry-run";
  if (fresh.length === 0) return "unchanged";
  return fresh.every(isFirst) ? "issued" : "renewed";
}

function isFirst({ outcome, held, endsTemporary }: Renewal): boolean {
  return outcome === "renewed" && (held?.version === 1 || endsTemporary === true);
}

function documentOf(renewal: Renewal, now: Date): Record<string, unknown> {
  const { name, due, held, files, pause } = renewal;
  const outcome = isFirst(renewal) ? "issued" : renewal.outcome.replace(" ", "-");
  const problem = problemOf(renewal);
  return {
    ...(held === undefined ? {} : describeHeld({ name }, held, files, outcome, now).document),
    name,
    outcome,
    dueAt: due.at.toISOString(),
    reason: due.reason,
    retryAt: pause === undefined || hasNoEnd(pause) ? undefined : pause.until.toISOString(),
    retryReason: pause?.reason,
    problem: problem && problemJson(problem),
  };
}

function viewOf(renewals: readonly Renewal[], now: Date): readonly Block[] {
  const lines = renewals.flatMap((renewal): Block[] => {
    const { name, outcome, held, isDeployed } = renewal;
    if (isDeployed === true && outcome !== "renewed")
      return [{ kind: "line", tone: "good", text: `Repeated the deploy steps of ${name}.` }];
    if (outcome === "postponed")
      return [{ kind: "line", text: `${name} is due but left for the next run (--max).` }];
    if (outcome !== "renewed" || held === undefined) return [];
    const verb = isFirst(renewal) ? "Issued" : "Renewed";
    const text = `${verb} ${name}, valid until ${dateFrom(now, held.meta.notAfter)}.`;
    return [{ kind: "line", tone: "good", text }];
  });
  if (lines.length > 0 || renewals.some(({ outcome }) => outcome !== "not due")) return lines;
  const [next] = renewals
    .filter(({ pause }) => pause?.reason !== "off")
    .toSorted((a, b) => a.due.at.getTime() - b.due.at.getTime());
  if (next !== undefined) return [nothingDue({ name: next.name, at: next.due.at }, now)];
  const text =
    renewals.length === 0
      ? "No certificates yet. Get the first one with: acmectl issue -d NAME"
      : "Nothing is due: the renewal of every certificate is off.";
  return [{ kind: "line", text, tone: "dim" }];
}

function nothingDue({ name, at }: { name: string; at: Date }, now: Date): Block {
  const text = `Nothing is due. Next: ${name}, ${dateFrom(now, at)}.`;
  return { kind: "line", text, tone: "dim" };
}

function rehearsed(renewal: Renewal): Record<string, unknown> {
  const { name, outcome } = renewal;
  const problem = problemOf(renewal);
  return {
    name,
    outcome: outcome === "renewed" ? "dry-run" : outcome,
    problem: problem && problemJson(problem),
  };
}

function rehearsedLine(name: string, isAuthorized: boolean): Block {
  const text = isAuthorized
    ? `Dry run: the CA authorizes ${name}. No certificate was issued.`
    : `Dry run: ${name} can be renewed. Nothing was kept.`;
  return { kind: "line", tone: "good", text };
}
