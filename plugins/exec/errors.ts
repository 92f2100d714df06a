/** How a program failed, and what to do. */
import { Problem } from "acmectl/plugin";
import type { Ran } from "./client.ts";
import { placeOf, type Action, type Answerable } from "./styles.ts";

export interface Attempt {
  readonly program: string;
  readonly action: Action;
  readonly challenge: Answerable;
  /** Milliseconds. */
  readonly timeout: number;
}

/** The Problem for a run; undefined after exit code 0. */
export function ended(ran: Ran, attempt: Attempt): Problem | undefined {
  if (ran.end === 0 && !ran.timedOut) return undefined;
  const { program, action, challenge } = attempt;
  const { identifier } = challenge;
  const [what, hint] = explain(ran, attempt);
  const output = ran.lastLines.join("\n");
  return new Problem("solver", {
    title: "The script failed",
    detail: `${program} (${action} for ${placeOf(challenge)}) ${what}${output === "" ? " and printed nothing." : `; its last output:\n${output}`}`,
    identifier,
    hint,
  });
}

/** The Problem for a program or file that cannot be used, found before anything runs. */
export function unusable(file: string, reason: string, directory: string | undefined): Problem {
  const [what, hint] = startFailure(reason, file) ?? [
    `cannot be used (${reason})`,
    "Check the file.",
  ];
  const where =
    file.startsWith("/") || directory === undefined ? "" : ` (relative to ${directory})`;
  return new Problem("config", {
    title: "Script unusable",
    detail: `The exec solver's ${file}${where} ${what}.`,
    hint,
  });
}

export function badDirectory(directory: string, reason: string): Problem {
  return new Problem("config", {
    title: "Working directory unusable",
    detail: `The exec solver's directory ${directory} ${directoryFailures[reason] ?? `cannot be used (${reason})`}.`,
    hint: "Set directory to an existing folder that this user can enter.",
  });
}

const directoryFailures: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  ENOTDIR: "is not a folder",
  EACCES: "cannot be entered by this user",
};

const byHand =
  "Run it by hand as the same user, with the ACMECTL_ variables from the README set. acmectl gives it no input and no terminal.";

function explain({ end, timedOut }: Ran, { timeout, program }: Attempt): readonly [string, string] {
  if (timedOut)
    return [
      `did not finish within ${timeout / 1000} s and was killed`,
      "Let it only publish the response, since acmectl waits until it is visible. Or raise `timeout`.",
    ];
  if (end === 126)
    return [
      "ended with exit code 126: a program was found but could not be run",
      "Make that program executable with chmod +x, and check that its file system is not mounted noexec.",
    ];
  if (end === 127)
    return [
      "ended with exit code 127: a program was not found",
      "Write the full path of the command and of what it calls, or set PATH in `env`: cron and systemd have a shorter PATH than your shell.",
    ];
  if (typeof end === "number") return [`ended with exit code ${end}`, byHand];
  return startFailure(end, program) ?? [`was killed by ${end}`, byHand];
}

function startFailure(reason: string, program: string): readonly [string, string] | undefined {
  const failure = startFailures[reason];
  const isLine = /\S\s+\S/.test(program) && (reason === "ENOENT" || reason === "ENOTDIR");
  if (failure === undefined) return undefined;
  if (!isLine) return [failure[0], failure[1].replace("{program}", program)];
  const words = program.trim().split(/\s+/);
  return [
    `${failure[0]}: the whole line, with its spaces, was taken as the name of the program`,
    `Give one word per item: \`command: [${words.join(", ")}]\` in the config, ${words.map((word) => `--exec-command=${word}`).join(" ")} as flags. Or run the line by sh: \`shell: true\`, --exec-shell.`,
  ];
}

const startFailures: Readonly<Record<string, readonly [string, string]>> = {
  ENOENT: [
    "was not found",
    "Write the full path. If the file exists, check the interpreter in its first line (#!) and the working directory.",
  ],
  ENOTDIR: ["was not found", "Write the full path."],
  EACCES: [
    "cannot be run by this user",
    "Check that this user may enter its folders and that its file system is not mounted noexec; or make it executable: chmod +x {program}",
  ],
  EISDIR: ["is a folder", "Give the file in it."],
  E2BIG: [
    "was given too many or too long arguments and variables",
    "Shorten the values of `env` and `secrets`, or pass files instead.",
  ],
  ERR_INVALID_ARG_VALUE: [
    "was given a null byte in its arguments or variables",
    "Check the values of `command`, `env` and `secrets`.",
  ],
  ENOEXEC: ["is not a program", "Add an interpreter as its first line, such as #!/bin/sh."],
};
