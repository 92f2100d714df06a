/** What the process that runs the tests writes down for the one that started it, which may have to end it. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Note {
  /** Of a test; of a file of tests when all of them are done. */
  readonly test: string;
  readonly mutant?: string | undefined;
  /** `done`: no mutant is left for this test. `broken`: it fails without one. */
  readonly outcome: "reached" | "noticed" | "unnoticed" | "timeout" | "done" | "broken";
}

export function isNotice(outcome: Note["outcome"]): boolean {
  return outcome === "noticed" || outcome === "timeout";
}

export interface Running extends Pick<Note, "test" | "mutant"> {
  readonly pid: number;
  readonly since: number;
}

export const folder = (): string => process.env["ACMECTL_MUTATE_FOLDER"] ?? ".";
const notes = () => join(folder(), "notes");
const running = () => join(folder(), "running");

export function addNote(note: Note): void {
  appendFileSync(notes(), `${JSON.stringify(note)}\n`);
}

export function readNotes(): readonly Note[] {
  const lines = existsSync(notes()) ? readFileSync(notes(), "utf8").trimEnd().split("\n") : [];
  return lines.filter((line) => line !== "").map((line): Note => JSON.parse(line));
}

/** What runs now; undefined between tests. */
export function setRunning(now: Running | undefined): void {
  writeFileSync(running(), now === undefined ? "" : JSON.stringify(now));
}

export function getRunning(): Running | undefined {
  const text = existsSync(running()) ? readFileSync(running(), "utf8") : "";
  return text === "" ? undefined : JSON.parse(text);
}
