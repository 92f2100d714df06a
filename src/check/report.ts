import { Problem } from "../problem.ts";
import { line, type Block, type Result, type Tone } from "../result.ts";
import type { Checked, Finding } from "./finding.ts";

/** All checks of one certificate. */
export interface Report {
  readonly name: string;
  /** Which CA it was checked for, where the certificate has several. */
  readonly ca?: string | undefined;
  readonly checks: readonly Checked[];
}

/** The result: exit code 11 if anything was found, 4 if something could not be found out; warnings alone change nothing. */
export function reportChecks(reports: readonly Report[]): Result {
  const findings = reports.flatMap(({ checks }) => checks.flatMap((one) => one.findings));
  const problem = problemOf(findings);
  return {
    document: {
      outcome: problem === undefined ? "ready" : hasErrors(findings) ? "not ready" : "unknown",
      certificates: reports.map(({ name, ca, checks }) => ({
        name,
        ca,
        outcome: stateOf(checks.flatMap((one) => one.findings)),
        checks: checks.map((one) => ({
          check: one.subject,
          outcome: outcomeOf(one),
          skipped: one.skipped,
          notes: one.notes,
          findings: one.findings,
        })),
      })),
    },
    view: reports.flatMap((report) => viewOf(report, reports.length > 1)),
    problem,
  };
}

const hasErrors = (findings: readonly Finding[]) =>
  findings.some(({ severity }) => severity === "error");

function stateOf(findings: readonly Finding[]): string {
  if (hasErrors(findings)) return "not ready";
  return findings.some(({ severity }) => severity === "unknown") ? "unknown" : "ready";
}

type Outcome = "good" | "skipped" | Finding["severity"];

/** The worst of a check's findings. */
function outcomeOf({ findings, skipped }: Checked): Outcome {
  const worst = (["error", "unknown", "warning"] as const).find((severity) =>
    findings.some((one) => one.severity === severity),
  );
  return worst ?? (skipped === undefined ? "good" : "skipped");
}

const tones: Readonly<Record<Outcome, Tone>> = {
  good: "good",
  skipped: "dim",
  error: "bad",
  unknown: "warn",
  warning: "warn",
};
const words: Readonly<Record<Outcome, string>> = {
  good: "nothing found",
  skipped: "skipped",
  error: "error",
  unknown: "not known",
  warning: "warning",
};

function viewOf({ name, ca, checks }: Report, isNamed: boolean): readonly Block[] {
  const text = ca === undefined ? name : `${name} at ${ca}`;
  const isFault = checks.some(({ findings }) => findings.length > 0);
  const head: readonly Block[] = isNamed ? [{ kind: "heading", text, isFault }] : [];
  return [...head, ...checks.flatMap(linesOf)];
}

function linesOf(checked: Checked): readonly Block[] {
  const { subject, findings, skipped, notes = [] } = checked;
  const outcome = outcomeOf(checked);
  const why = outcome === "skipped" ? ` (${skipped})` : "";
  const isFault = findings.length > 0;
  const text = `${subject}: ${words[outcome]}${why}`;
  return [
    { kind: "line", text, tone: tones[outcome], isFault },
    ...findings.flatMap(({ severity, name, detail, remedy }) => [
      fault(`  ${words[severity]}: ${name === undefined ? "" : `${name}: `}${detail}`),
      fault(`    ${remedy}`, "dim"),
    ]),
    ...notes.map((text) => line(`  ${text}`, "dim")),
  ];
}

const fault = (text: string, tone?: Tone): Block => ({ kind: "line", text, tone, isFault: true });

function problemOf(findings: readonly Finding[]): Problem | undefined {
  const count = (severity: Finding["severity"]) =>
    findings.filter((one) => one.severity === severity).length;
  const [errors, unknown] = [count("error"), count("unknown")];
  const open = unknown === 0 ? "" : ` ${things(unknown)} could not be found out.`;
  if (errors > 0) {
    return new Problem("partial", {
      title: "The certificate would not be issued",
      detail: `The check found ${things(errors)} that would prevent issuance.${open}`,
      hint: "Fix what is listed above, then run the check again. Nothing was ordered.",
    });
  }
  if (unknown === 0) return undefined;
  return new Problem("network", {
    title: "Not everything could be checked",
    detail: `The check found nothing that prevents issuance, but${open.toLowerCase().replace(/^ (\d+)/, " $1")}`,
    hint: "Follow the advice above, or order anyway: nothing that was seen speaks against it.",
  });
}

const things = (number: number) => (number === 1 ? "1 thing" : `${number} things`);
