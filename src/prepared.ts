/** What is answered without loading any command: the version, and help as the build has written it. */
import { existsSync, readFileSync } from "node:fs";
import type { Environment } from "./environment.ts";
import { helpFile } from "./installation.ts";
import { versionLine } from "./version.ts";

/** The answer to the words; undefined if it is to be made, as of help from source. */
export function preparedAnswer(
  argv: readonly string[],
  { node, stdout }: Pick<Environment, "node" | "stdout">,
): string | undefined {
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V"))
    return `${versionLine(node)}\n`;
  const topic = topicOf(argv);
  const file = helpFile(helpWidth(stdout));
  if (topic === undefined || !existsSync(file)) return undefined;
  const texts: Readonly<Record<string, string>> = JSON.parse(readFileSync(file, "utf8"));
  return Object.hasOwn(texts, topic) ? texts[topic] : undefined;
}

function topicOf(argv: readonly string[]): string | undefined {
  if (argv[0] === "help") return argv.slice(1).join(" ");
  const isHelp = ["--help", "-h"].includes(argv.at(-1) ?? "");
  return isHelp ? argv.slice(0, -1).join(" ") : undefined;
}

/** Columns for which the build writes help, the widest first. */
export const widths = [100, 80] as const;

/** The columns of help: those of a narrow terminal, otherwise the widest that fit. 0 is a terminal of unknown width. */
export function helpWidth({ columns }: Pick<Environment["stdout"], "columns">): number {
  const space = columns || widths[0];
  return widths.find((width) => width <= space) ?? space;
}
