/** Commands that a result suggests, with the --state and --config that were typed: pasted, they use the same folder and file. */
import type { RunLog } from "../context.ts";
import { quotedWord } from "../options/words.ts";
import type { Problem } from "../problem.ts";
import { type Block, isStream, type List, type StreamedResult } from "../result.ts";
import { isRecord } from "../json.ts";

/** The values that were typed as flags. A variable is still set when the next command runs. */
export interface TypedPlaces {
  readonly state?: string | undefined;
  readonly config?: string | undefined;
}

export interface Suggestions {
  readonly log: (log: RunLog) => RunLog;
  readonly problem: (problem: Problem) => Problem;
  readonly result: (result: StreamedResult) => StreamedResult;
}

/** `names` are those of all commands. */
export function suggestionsFor(places: TypedPlaces, names: readonly string[]): Suggestions {
  if (places.state === undefined && places.config === undefined)
    return { log: (log) => log, problem: (problem) => problem, result: (result) => result };
  const longestFirst = names.toSorted((a, b) => b.length - a.length).join("|");
  const command = new RegExp(`(?<![\\w/.-])acmectl (${longestFirst})(?![\\w-])`);
  const complete = (text: string): string => {
    const found = command.exec(text);
    if (found === null) return text;
    const start = found.index + found[0].length;
    const length = text.slice(start).search(endOfCommand);
    const typed = text.slice(start, start + length);
    const added = flagsFor(found[1] ?? "", typed, places);
    return text.slice(0, start) + typed + added + complete(text.slice(start + length));
  };
  const problem = (problem: Problem) =>
    problem.hint === undefined ? problem : problem.with({ hint: complete(problem.hint) });
  return {
    log: (log) => ({ ...log, warn: (message, fields) => log.warn(complete(message), fields) }),
    problem,
    result: (result) => ({
      exitCode: result.exitCode,
      aside: result.aside,
      // Made for --json alone: of ten thousand certificates it takes a second.
      get document() {
        const { document } = result;
        return { outcome: document.outcome, ...advised(document, complete) };
      },
      view: mapped(result.view, (block) => inBlock(block, complete)),
      problem: result.problem && problem(result.problem),
    }),
  };
}

/** A backtick, or what ends a sentence or a part of one. */
const endOfCommand = /`|\n|;|,\s|\)|[.:](?=\s|$)| && |\sacmectl |$/;

const withoutState = /^(config|completion|solvers|test-ca|schedule (show|remove))\b/;
const withoutConfig = /^(completion|config schema|solvers|test-ca|schedule (show|remove))\b/;

function flagsFor(name: string, typed: string, { state, config }: TypedPlaces): string {
  if (typed.includes("--help")) return "";
  const flag = (flag: string, value: string | undefined, without: RegExp) =>
    value === undefined || without.test(name) || typed.includes(flag)
      ? ""
      : ` ${flag} ${quotedWord(value)}`;
  return flag("--state", state, withoutState) + flag("--config", config, withoutConfig);
}

/** Members of a document that give advice, wherever they are. */
const advice: readonly string[] = ["hint", "nextSteps", "remedy"];

function advised(
  members: Readonly<Record<string, unknown>>,
  complete: (text: string) => string,
): Record<string, unknown> {
  const below = (value: unknown, isAdvice: boolean): unknown => {
    if (typeof value === "string") return isAdvice ? complete(value) : value;
    if (Array.isArray(value) || isStream(value))
      return mapped(value, (one: unknown) => below(one, isAdvice));
    // Dates and errors stay what they are.
    const isPlain = isRecord(value) && Object.getPrototypeOf(value) === Object.prototype;
    return isPlain ? advised(value, complete) : value;
  };
  const entries = Object.entries(members);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, below(value, advice.includes(key))]),
  );
}

function inBlock(block: Block, complete: (text: string) => string): Block {
  if (block.kind === "line") return { ...block, text: complete(block.text) };
  if (block.kind !== "table") return block;
  return { ...block, rows: mapped(block.rows, (row) => row.map(complete)) };
}

function mapped<T, U>(list: List<T>, change: (one: T) => U): List<U> {
  return Symbol.asyncIterator in list ? changed(list, change) : list.map((one) => change(one));
}

async function* changed<T, U>(list: AsyncIterable<T>, change: (one: T) => U): AsyncGenerator<U> {
  for await (const one of list) yield change(one);
}
