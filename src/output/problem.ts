/** A Problem for people, and for programs. */
import type { Problem, ProblemDocument } from "../problem.ts";
import type { Paint } from "./colour.ts";
import { manyLines, oneLine } from "./text.ts";
import { atAndIn } from "./time.ts";

/** More than this many subproblems are counted instead of shown; an order has at most a hundred names. */
const mostSubproblems = 100;

/** RFC 9457 members and RFC 8555's subproblems, with the hint, the exit code and when to try again. */
export function problemJson(problem: Problem): Record<string, unknown> {
  return {
    ...problem.document,
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    code: problem.exitCode,
    retryable: problem.retryable,
    ...(problem.retryAt === undefined ? {} : { retryAt: problem.retryAt.toISOString() }),
  };
}

export interface ProblemView {
  readonly paint: Paint;
  readonly mask: (text: string) => string;
  readonly now: Date;
  readonly timeZone: string | undefined;
  readonly verbose: boolean;
}

/** What failed and why, each subproblem with its identifier, the hint, the time to come back; verbose adds the causes. */
export function renderProblem(problem: Problem, view: ProblemView): readonly string[] {
  const { paint, mask } = view;
  const { document, hint, retryAt } = problem;
  const subproblems = (document.subproblems ?? []).filter((sub) => !isTold(sub, document, mask));
  const left = subproblems.length - mostSubproblems;
  return [
    ...headline(document, view, "bad"),
    ...subproblems.slice(0, mostSubproblems).flatMap((sub) => subproblem(sub, view, "  ")),
    ...(left > 0 ? [`  … and ${left} more`] : []),
    ...(document.instance === undefined ? [] : [`  See ${oneLine(mask(document.instance))}`]),
    ...(hint === undefined ? [] : labelled(paint("Hint:", "strong"), manyLines(mask(hint)))),
    ...(retryAt === undefined
      ? []
      : [`${paint("Come back:", "strong")} ${atAndIn(retryAt, view.now, view.timeZone)}`]),
    ...(view.verbose ? causes(problem, view) : []),
  ];
}

function headline(
  document: ProblemDocument,
  view: ProblemView,
  tone: "bad" | "warn",
): readonly string[] {
  const { paint, mask } = view;
  const name = document.identifier?.value;
  const named = name === undefined || document.detail?.includes(name) === true;
  const title = paint(`${oneLine(mask(document.title), 200)}:`, tone);
  const [first = "", ...rest] = detailLines(document, mask).map(
    (line) => line + originsOf(line, document, mask),
  );
  const text = `${title} ${named ? "" : `${oneLine(mask(name), 300)}: `}${first}`;
  const origin = originOf(document, mask);
  return [
    rest.length === 0 ? text + origin : text,
    ...rest.map((line, index) => `  ${line}${index === rest.length - 1 ? origin : ""}`),
  ];
}

/** True when a line of the problem's own detail names the subproblem and ends in what it says, and it has no parts. */
function isTold(
  sub: ProblemDocument,
  document: ProblemDocument,
  mask: (text: string) => string,
): boolean {
  if (sub.detail === undefined || sub.subproblems !== undefined) return false;
  const said = oneLine(mask(sub.detail));
  const name = oneLine(mask(sub.identifier?.value ?? ""));
  // A detail of several lines stands in the whole as it is.
  if (name === "" && sub.detail.includes("\n"))
    return oneLine(mask(document.detail ?? "")).includes(said);
  return detailLines(document, mask).some(
    (line) => said !== "" && line.endsWith(said) && line.includes(name),
  );
}

/** What the subproblem that a line repeats is called by its CA. */
function originsOf(
  line: string,
  document: ProblemDocument,
  mask: (text: string) => string,
): string {
  const told = document.subproblems?.find((sub) =>
    isTold(sub, { ...document, detail: line }, mask),
  );
  return told === undefined ? "" : originOf(told, mask);
}

/** Our own details may have lines (an excerpt of a file); another's would imitate the lines below, so it gets one. */
function detailLines(document: ProblemDocument, mask: (text: string) => string): readonly string[] {
  const detail = mask(document.detail ?? "no detail was given");
  return isOurs(document) ? manyLines(detail) : [oneLine(detail)];
}

function originOf(document: ProblemDocument, mask: (text: string) => string): string {
  if (isOurs(document)) return "";
  const status = document.status === undefined ? "" : `, HTTP ${document.status}`;
  return ` (${oneLine(mask(document.type), 200)}${status})`;
}

function isOurs(document: ProblemDocument): boolean {
  return document.type.startsWith("urn:acmectl:problem:");
}

function subproblem(
  document: ProblemDocument,
  view: ProblemView,
  indent: string,
): readonly string[] {
  const { mask, paint } = view;
  const name = document.identifier?.value ?? document.title;
  const [first = "", ...rest] = detailLines(document, mask);
  const nested = (document.subproblems ?? []).slice(0, mostSubproblems);
  return [
    `${indent}${paint(`${oneLine(mask(name), 300)}:`, "strong")} ${first}${originOf(document, mask)}`,
    ...rest.map((line) => `${indent}  ${line}`),
    ...(indent.length >= 6 ? [] : nested.flatMap((sub) => subproblem(sub, view, `${indent}  `))),
  ];
}

function labelled(label: string, lines: readonly string[]): readonly string[] {
  return lines.map((line, index) => (index === 0 ? `${label} ${line}` : `  ${line}`));
}

function causes(problem: Problem, { paint, mask }: ProblemView): readonly string[] {
  const lines: string[] = [];
  let cause = problem.cause;
  while (cause instanceof Error && lines.length < 10) {
    lines.push(paint(`Cause: ${oneLine(mask(`${cause.name}: ${cause.message}`))}`, "dim"));
    cause = cause.cause;
  }
  return lines;
}
