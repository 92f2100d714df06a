/** A failure that nobody foresaw: short, with what a report needs; the stack only when asked for. */
import { arch, platform, versions } from "node:process";
import { inspect } from "node:util";
import { manyLines, oneLine } from "./text.ts";

export interface Bug {
  readonly command: string;
  readonly error: unknown;
  readonly verbose: boolean;
  readonly version: string | undefined;
}

/** The lines for a person. */
export function renderBug(bug: Bug, mask: (text: string) => string): readonly string[] {
  return [
    `This is a bug in acmectl: ${oneLine(mask(messageOf(bug.error)), 500)}`,
    `Please report it, with: ${oneLine(mask(circumstances(bug)), 300)}`,
    ...(bug.verbose
      ? manyLines(mask(stackOf(bug.error)))
      : ["Hint: run it again with --verbose and add the stack to the report."]),
  ];
}

/** The same in the shape of a problem document. */
export function bugJson(bug: Bug): Record<string, unknown> {
  return {
    type: "urn:acmectl:problem:bug",
    title: "A bug in acmectl",
    detail: messageOf(bug.error),
    hint: `Please report it, with: ${circumstances(bug)}`,
    code: 1,
    retryable: false,
    ...(bug.verbose ? { stack: stackOf(bug.error) } : {}),
  };
}

function circumstances({ command, version }: Bug): string {
  return `acmectl ${version ?? "(see --version)"}, Node ${versions.node}, ${platform} ${arch}, command "${command}"`;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `something that is no error was thrown: ${inspect(error)}`;
  return error.message === "" ? error.name : error.message;
}

/** With its causes, and whatever else hangs on it. */
function stackOf(error: unknown): string {
  return inspect(error, { depth: 3, colors: false });
}
