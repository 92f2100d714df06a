import { Problem } from "../problem.ts";
import type { Block } from "../result.ts";
import type { BrokenCertificate } from "./certificates.ts";

/** A certificate whose record cannot be read, for machines. */
export function brokenDocument({ name, problem }: BrokenCertificate) {
  return { name, outcome: "broken", problem: problemDocument(problem) };
}

/** The same for people: what is wrong, and what to do. */
export function brokenLines({ name, problem }: BrokenCertificate): readonly Block[] {
  const { message, hint } = problem;
  return [
    { kind: "line", tone: "bad", text: `${name} is broken: ${message}` },
    ...(hint === undefined ? [] : [{ kind: "line", text: `Hint: ${hint}` } as const]),
  ];
}

/** One Problem for all of them; undefined when there are none. */
export function problemOfBroken(broken: readonly BrokenCertificate[]): Problem | undefined {
  const [first] = broken;
  if (first === undefined || broken.length === 1) return first?.problem;
  return new Problem("machine", {
    detail: broken
      .map(({ name, problem }) => `${name}: ${[problem.message, problem.hint ?? ""].join(" ")}`)
      .join("\n"),
    hint: "Run `acmectl status` to see the other certificates; they are not affected.",
    retryable: false,
  });
}

/** A Problem as a member of a certificate's document. */
export function problemDocument({ document, hint, exitCode, retryable, retryAt }: Problem) {
  return { ...document, hint, code: exitCode, retryable, retryAt: retryAt?.toISOString() };
}
