import { Problem } from "../../src/problem.ts";
import { renderProblem } from "../../src/output/problem.ts";

/** Something that reads what comes from outside, and what is true of it for every input. */
export interface Target {
  /** Also the name of the folder in `seeds/` with inputs to begin with; one for each find. */
  readonly name: string;
  /** A sentence. */
  readonly promise: string;
  /** Words of the format, which the fuzzer inserts. */
  readonly words?: readonly string[];
  /** Throws, or takes long, where the promise is broken. */
  readonly check: (input: Buffer) => void | Promise<void>;
  /** True for a target that writes files, so that tests try fewer inputs. */
  readonly slow?: boolean;
}

class Broken extends Error {}

/** A sentence about the input is true. */
export function holds(isTrue: boolean, sentence: string): asserts isTrue {
  if (!isTrue) throw new Broken(sentence);
}

/** What `work` returns; undefined if it rejects the input by a Problem that can be shown. Anything else that is thrown is a find. */
export function orProblem<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!Problem.is(error)) throw error;
    return shown(error);
  }
}

export async function orProblemOf<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!Problem.is(error)) throw error;
    return shown(error);
  }
}

/** The Problem fits on a terminal: no control characters, and bounded. */
export function shown(problem: Problem): undefined {
  const view = { paint: (text: string) => text, mask: (text: string) => text, now, verbose: true };
  const lines = renderProblem(problem, view);
  holds(lines.every(isClean), "a message has no control characters");
  holds(lines.join("\n").length < 1_000_000, "a message is shorter than a megabyte");
  return undefined;
}

export const now = new Date("2026-06-01T12:00:00Z");

/** No character that moves the cursor, hides or reorders text. */
export function isClean(text: string): boolean {
  return !/[\p{Cc}\p{Cs}\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF]/u.test(text);
}
