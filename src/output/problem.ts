/** Failures, for people and for programs: Problems, and errors that are bugs. */
import { arch, platform, versions } from "node:process";
import { inspect } from "node:util";
import { dateFrom } from "../dates.ts";
import type { Problem, ProblemDocument } from "../problem.ts";
import type { Paint } from "./colour.ts";
import { manyLines, oneLine } from "./text.ts";

/** Further subproblems are only counted; an order has at most a hundred names. */
const mostSubproblems = 100;

export interface ProblemView {
  readonly paint: Paint;
  readonly mask: (text: string) => string;
  readonly now: Date;
  readonly verbose: boolean;
}

/** What failed and why, each subproblem with its identifier, the hint, the time to retry; verbose adds the causes. */
export function renderProblem(problem: Problem, view: ProblemView): readonly string[] {
  const { paint, mask } = view;
  const { document, hint, retryAt } = problem;
  const subproblems = (document.subproblems ?? []).filter((sub) => !isShown(sub, document, mask));
  const left = subproblems.length - mostSubproblems;
  return [
    ...headline(document, view, "bad"),
    ...subproblems.slice(0, mostSubproblems).flatMap((sub) => subproblem(sub, view, "  ")),
    ...(left > 0 ? [`  … and ${left} more`] : []),
    ...(document.instance === undefined ? [] : [`  See ${oneLine(mask(document.instance))}`]),
    ...(hint === undefined ? [] : labelled(paint("Hint:", "strong"), manyLines(mask(hint)))),
    ...(retryAt === undefined
      ? []
      : [`${paint("Retry after:", "strong")} ${dateFrom(view.now, retryAt)}`]),
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

/** True when a line of the problem's own detail has the name and the detail of a subproblem that has no parts. */
function isShown(
  sub: ProblemDocument,
  document: ProblemDocument,
  mask: (text: string) => string,
): boolean {
  if (sub.detail === undefined || sub.subproblems !== undefined) return false;
  const said = oneLine(mask(sub.detail));
  const name = oneLine(mask(sub.identifier?.value ?? ""));
  // A detail of several lines is part of the whole unchanged.
  if (name === "" && sub.detail.includes("\n"))
    return oneLine(mask(document.detail ?? "")).includes(said);
  return detailLines(document, mask).some(
    (line) => said !== "" && line.endsWith(said) && line.includes(name),
  );
}

/** The CA's type of the subproblem that a line repeats. */
function originsOf(
  line: string,
  document: ProblemDocument,
  mask: (text: string) => string,
): string {
  const shown = document.subproblems?.find((sub) =>
    isShown(sub, { ...document, detail: line }, mask),
  );
  return shown === undefined ? "" : originOf(shown, mask);
}

/** Our own details may have several lines (an excerpt of a file); a CA's could imitate our next lines, so it gets one. */
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
  for (let { cause } = problem; cause instanceof Error && lines.length < 10; cause = cause.cause)
    lines.push(paint(`Cause: ${oneLine(mask(`${cause.name}: ${cause.message}`))}`, "dim"));
  return lines;
}

export interface Bug {
  readonly command: string;
  readonly error: unknown;
  readonly verbose: boolean;
  readonly version: string | undefined;
}

/** Short, with what a report needs; the stack with `verbose`. */
export function renderBug(bug: Bug, mask: (text: string) => string): readonly string[] {
  return [
    `This is a bug in acmectl: ${oneLine(mask(bugMessage(bug.error)), 500)}`,
    `Please report it with: ${oneLine(mask(circumstances(bug)), 300)}`,
    ...(bug.verbose
      ? manyLines(mask(stackOf(bug.error)))
      : ["Hint: Run it again with --verbose and add the stack to the report."]),
  ];
}

/** The same in the shape of a problem document. */
export function bugJson(bug: Bug): Record<string, unknown> {
  return {
    type: "urn:acmectl:problem:bug",
    title: "A bug in acmectl",
    detail: bugMessage(bug.error),
    hint: `Please report it with: ${circumstances(bug)}`,
    code: 1,
    retryable: false,
    stack: bug.verbose ? stackOf(bug.error) : undefined,
  };
}

function circumstances({ command, version }: Bug): string {
  return `acmectl ${version ?? "(see --version)"}, Node ${versions.node}, ${platform} ${arch}, command "${command}"`;
}

function bugMessage(error: unknown): string {
  if (!(error instanceof Error))
    return `a value that is not an error was thrown: ${inspect(error)}`;
  return error.message === "" ? error.name : error.message;
}

/** With its causes and other properties. */
function stackOf(error: unknown): string {
  return inspect(error, { depth: 3, colors: false });
}
