/** What a command hands to `output/`: one JSON document, and the same for people as a few plain blocks. */
import type { ExitCode, Problem } from "./problem.ts";

export type Tone = "plain" | "good" | "bad" | "warn" | "dim" | "strong";

/** How a result reads. Blocks carry meaning; colour, widths and wrapping are the output's affair. A fault is shown with --quiet, too. */
export type Block =
  | { kind: "line"; text: string; tone?: Tone | undefined; isFault?: boolean | undefined }
  | { kind: "heading"; text: string; isFault?: boolean | undefined }
  | { kind: "fields"; entries: readonly Entry<string>[] }
  | { kind: "table"; columns: Row; rows: List<Row> }
  /** Printed unchanged, whatever the output is: a file's text, a key, a completion script. */
  | { kind: "verbatim"; text: string };
export type Row = readonly string[];
/** In memory, or made while it is written. */
export type List<T> = readonly T[] | AsyncIterable<T>;
export type Entry<Value = string | undefined> = readonly [label: string, value: Value, tone?: Tone];

export interface Result {
  /** When nothing failed; 0 when absent. */
  exitCode?: ExitCode | undefined;
  /** Members beside `command`, `problem` and `outcome`; `certificates` where there are any. A list may be made while it is written. */
  document: { outcome: string } & Record<string, unknown>;
  view: readonly Block[];
  /** For people, on stderr after the view. */
  aside?: readonly Block[] | undefined;
  /** Set when some part failed and the rest is still worth showing (exit codes 9 and 11). */
  problem?: Problem | undefined;
}

/** Of many certificates, which are not in memory at once. */
export interface StreamedResult extends Omit<Result, "view"> {
  view: List<Block>;
}

export function line(text: string, tone?: Tone): Block {
  return { kind: "line", text, tone };
}

export function heading(text: string): Block {
  return { kind: "heading", text };
}

/** Labelled values; an entry without a value is left out. */
export function fields(entries: readonly Entry[]): Block {
  return { kind: "fields", entries: entries.filter(hasValue) };
}

function hasValue(entry: Entry): entry is Entry<string> {
  return entry[1] !== undefined;
}

export function table(columns: Row, rows: List<Row>): Block {
  return { kind: "table", columns, rows };
}

export function verbatim(text: string): Block {
  return { kind: "verbatim", text };
}

/** True of a list that is made while it is written. */
export function isStream(list: unknown): list is AsyncIterable<unknown> {
  return typeof list === "object" && list !== null && Symbol.asyncIterator in list;
}
