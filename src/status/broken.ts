import { Problem } from "../problem.ts";
import type { Block } from "../result.ts";
import type { Renewal } from "../renew/renew.ts";
import type { BrokenCertificate } from "./wanted.ts";

/** A certificate that cannot be read, for machines. */
export function brokenDocument({ name, problem }: BrokenCertificate) {
  return { name, outcome: "broken", problem: toldProblem(problem) };
}

/** The same for people: what is wrong, and what to do. */
export function brokenLines({ name, problem }: BrokenCertificate): readonly Block[] {
  const { message, hint } = problem;
  return [
    { kind: "line", tone: "bad", text: `${name} is broken: ${message}` },
    ...(hint === undefined ? [] : [{ kind: "line", text: `Hint: ${hint}` } as const]),
  ];
}

/** What they come to; undefined when there are none. */
export function problemOfBroken(broken: readonly BrokenCertificate[]): Problem | undefined {
  const [first] = broken;
  if (first === undefined || broken.length === 1) return first?.problem;
  return new Problem("machine", {
    detail: broken
      .map(({ name, problem }) => `${name}: ${[problem.message, problem.hint ?? ""].join(" ")}`)
      .join("\n"),
    hint: "`acmectl status` shows the others; they are not affected.",
    retryable: false,
  });
}

/** What a pass has to say of it: it failed, without being tried. */
export function brokenRenewal({ name, problem }: BrokenCertificate, now: Date): Renewal {
  const due = { at: now, rule: "missing", reason: "its record cannot be read" } as const;
  return { name, outcome: "failed", due, problem };
}

/** A Problem as a member of a certificate's document. */
export function toldProblem({ document, hint, exitCode, retryable, retryAt }: Problem) {
  return {
    ...document,
    ...(hint === undefined ? {} : { hint }),
    code: exitCode,
    retryable,
    ...(retryAt === undefined ? {} : { retryAt: retryAt.toISOString() }),
  };
}
