/** How a program failed, and what to look at. */
import { Problem, type Dns01Challenge } from "acmectl/plugin";
import type { Ran } from "./run.ts";
import type { Action } from "./styles.ts";

export interface Attempt {
  readonly program: string;
  readonly action: Action;
  readonly challenge: Dns01Challenge;
  /** Milliseconds. */
  readonly timeout: number;
}

/** The Problem that the end of a run amounts to; undefined after exit code 0. */
export function ended(ran: Ran, attempt: Attempt): Problem | undefined {
  if (ran.end === 0 && !ran.timedOut) return undefined;
  const { program, action, challenge } = attempt;
  const { recordName, identifier } = challenge;
  const [what, hint] = explain(ran, attempt);
  const said = ran.lastLines.join("\n");
  return new Problem("solver", {
    title: "The script failed",
    detail: `${program} (${action} for ${recordName}) ${what}${said === "" ? ", and printed nothing." : `; the last it printed:\n${said}`}`,
    identifier,
    hint,
  });
}

/** A program or file that cannot be used, before anything was run. */
export function unusable(file: string, reason: string, directory: string): Problem {
  const [what, hint] = startFailure(reason, file) ?? [
    `cannot be used (${reason})`,
    "Look at the file.",
  ];
  const where = file.startsWith("/") ? "" : `, seen from ${directory},`;
  return new Problem("config", {
    title: "Script unusable",
    detail: `The exec solver's ${file}${where} ${what}.`,
    hint,
  });
}

const byHand =
  "Run it by hand as the same user, with the ACMECTL_ variables set as the README says. It gets no input and no terminal.";

function explain({ end, timedOut }: Ran, { timeout, program }: Attempt): readonly [string, string] {
  if (timedOut) {
    return [
      `did not end within ${timeout / 1000} s and was stopped`,
      "Let it only write the record: acmectl waits for it to be visible. Or raise `timeout`.",
    ];
  }
  if (end === 126) {
    return [
      "ended with exit code 126: a program was found and could not be run",
      "Make it executable (chmod +x), and see that its file system is not mounted noexec.",
    ];
  }
  if (end === 127) {
    return [
      "ended with exit code 127: a program was not found",
      "The command, or one that it calls, is not on PATH; cron and systemd have a shorter PATH than your shell. Write it in full, or give PATH in `env`.",
    ];
  }
  if (typeof end === "number") return [`ended with exit code ${end}`, byHand];
  return startFailure(end, program) ?? [`was ended by ${end}`, byHand];
}

function startFailure(reason: string, program: string): readonly [string, string] | undefined {
  const failure = startFailures[reason];
  const isLine = /\S\s+\S/.test(program) && (reason === "ENOENT" || reason === "ENOTDIR");
  if (failure === undefined || !isLine) return failure;
  const words = program.trim().split(/\s+/);
  return [
    `${failure[0]}: all of it is taken for the program's name, spaces included`,
    `Give a word each: \`command: [${words.join(", ")}]\` in the config, ${words.map((word) => `--exec-command=${word}`).join(" ")} as flags. Or let sh read the line: \`shell: true\`, --exec-shell.`,
  ];
}

const startFailures: Readonly<Record<string, readonly [string, string]>> = {
  ENOENT: [
    "was not found",
    "Write its path in full. If the file is there, the program in its first line (#!) or the working directory is not.",
  ],
  ENOTDIR: ["was not found", "Write its path in full."],
  EACCES: [
    "may not be used by this user",
    "chmod +x it, let this user enter the folders above, and see that its file system is not mounted noexec.",
  ],
  EISDIR: ["is a folder", "Name the file in it."],
  ENOEXEC: ["is no program", "Its first line has to name what runs it, e.g. #!/bin/sh."],
};
