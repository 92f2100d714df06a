import { Problem, problemJson } from "../problem.ts";
import { type Block, line } from "../result.ts";
import type { BrokenCertificate } from "../state/store.ts";

/** A certificate whose record cannot be read, for machines. */
export function brokenDocument({ name, problem }: BrokenCertificate) {
  return { name, outcome: "broken", problem: problemJson(problem) };
}

/** The same for people: what is wrong, and what to do. */
export function brokenLines({ name, problem }: BrokenCertificate): readonly Block[] {
  const { message, hint } = problem;
  const broken = line(`${name} is broken: ${message}`, "bad");
  return hint === undefined ? [broken] : [broken, line(`Hint: ${hint}`)];
}

/** One Problem for all of them; undefined when there are none. */
export function problemOfBroken(broken: readonly BrokenCertificate[]): Problem | undefined {
  if (broken.length < 2) return broken[0]?.problem;
  return new Problem("machine", {
    detail: broken
      .map(({ name, problem: { message, hint = "" } }) => `${name}: ${message} ${hint}`)
      .join("\n"),
    hint: "Run `acmectl status` to see the other certificates; they are not affected.",
    retryable: false,
  });
}
