import type { ChalkInstance } from "chalk";
import type { Tone } from "../result.ts";

export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}
export type Env = Readonly<Record<string, string | undefined>>;
export type Paint = (text: string, tone: Tone) => string;

/** What colours text; loaded only where one of the streams shows it, since it brings much of Node.js with it. */
export async function loadChalk(
  streams: readonly TextStream[],
  env: Env,
): Promise<ChalkInstance | undefined> {
  if (!streams.some((stream) => hasColour(stream, env))) return undefined;
  const { Chalk } = await import("chalk");
  return new Chalk({ level: 1 });
}

/** Colours for a stream. FORCE_COLOR comes first, then NO_COLOR and TERM=dumb, then whether it is a terminal. */
export function painter(stream: TextStream, env: Env, chalk: ChalkInstance | undefined): Paint {
  if (chalk === undefined || !hasColour(stream, env)) return (text) => text;
  const { green, red, yellow, dim, bold } = chalk;
  const tones = { good: green, bad: red, warn: yellow, dim, strong: bold };
  return (text, tone) => (tone === "plain" ? text : tones[tone](text));
}

/** True for a terminal whose cursor can be moved. */
export function hasCursor(stream: TextStream, env: Env): boolean {
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

/** The width of the terminal; undefined where it is unknown or 0, as on some serial lines and in containers. */
export function columnsOf({ columns }: Pick<TextStream, "columns">): number | undefined {
  return columns !== undefined && columns > 0 ? columns : undefined;
}

function hasColour(stream: TextStream, env: Env): boolean {
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return false;
  return hasCursor(stream, env);
}
