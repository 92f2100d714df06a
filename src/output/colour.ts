/** Which streams get colour, and the colour of each tone. */
import { Chalk, type ChalkInstance } from "chalk";
import type { Tone } from "../result.ts";

/** What output needs to know of a stream. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}
export type Env = Readonly<Record<string, string | undefined>>;
export type Paint = (text: string, tone: Tone) => string;

/** Colours for a stream: FORCE_COLOR decides, then NO_COLOR and TERM=dumb, then whether it is a terminal. */
export function painter(stream: TextStream, env: Env): Paint {
  const chalk = new Chalk({ level: hasColour(stream, env) ? 1 : 0 });
  const tones = tonesOf(chalk);
  return (text, tone) => tones[tone](text);
}

/** True when the cursor of this stream can be moved: a terminal that is not dumb. */
export function hasCursor(stream: TextStream, env: Env): boolean {
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

/** How wide the stream says it is; undefined where it does not, or says 0, as some serial lines and containers do. */
export function columnsOf({ columns }: Pick<TextStream, "columns">): number | undefined {
  return columns !== undefined && columns > 0 ? columns : undefined;
}

function hasColour(stream: TextStream, env: Env): boolean {
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return false;
  return hasCursor(stream, env);
}

function tonesOf(chalk: ChalkInstance): Record<Tone, (text: string) => string> {
  return {
    plain: (text) => text,
    good: chalk.green,
    bad: chalk.red,
    warn: chalk.yellow,
    dim: chalk.dim,
    strong: chalk.bold,
  };
}
