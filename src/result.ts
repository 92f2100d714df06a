/** What a command hands to `output/`: one JSON document, and the same for people as a few plain blocks. */
import type { ExitCode, Problem } from "./problem.ts";

export type Tone = "plain" | "good" | "bad" | "warn" | "dim" | "strong";

/** How a result reads. Blocks carry meaning; colour, widths and wrapping are the output's affair. */
export type Block =
  | { kind: "line"; text: string; tone?: Tone }
  | { kind: "heading"; text: string }
  | { kind: "fields"; entries: readonly (readonly [label: string, value: string, tone?: Tone])[] }
  | { kind: "table"; columns: readonly string[]; rows: readonly (readonly string[])[] }
  /** Printed as it stands, whatever the output is: a file's text, a key, a completion script. */
  | { kind: "verbatim"; text: string };

export interface Result {
  exitCode: ExitCode;
  /** Members beside `command`, `problem` and `outcome`; `certificates` where there are any. */
  document: { outcome: string } & Record<string, unknown>;
  view: readonly Block[];
  /** Set when some part failed and the rest is still worth showing (exit codes 9 and 11). */
  problem?: Problem | undefined;
}
