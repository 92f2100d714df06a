/** All mutants of some sources, one after the other, in one process of the tests as long as none hangs. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startVitest } from "vitest/node";
import { instrument, type Mutant } from "./mutants.ts";
import { addNote, getRunning, isNotice, type Note, readNotes } from "./notes.ts";

export interface Tried {
  readonly mutant: Mutant;
  /** `not reached`: by no test, or only while its module is loaded. */
  readonly outcome: "noticed" | "timeout" | "unnoticed" | "not reached";
}

export interface Trials {
  readonly tried: readonly Tried[];
  /** How many tests fail without a mutant; they notice nothing. */
  readonly broken: number;
}

/** The tests have a temporary folder of their own, which ends with them. */
const outside = tmpdir();
/** Milliseconds that a test may go on, in which no timer of its process fires. */
const longest = 60_000;

export async function tryMutants(
  sources: readonly string[],
  tests: readonly string[],
  most: number,
): Promise<Trials> {
  const { texts, mutants } = await instrument(sources, most);
  const folder = mkdtempSync(join(outside, "acmectl-mutate-"));
  process.env["ACMECTL_MUTATE_FOLDER"] = folder;
  process.env["ACMECTL_MUTATE_TESTS"] = tests.join(" ");
  writeFileSync(join(folder, "mutants"), JSON.stringify(mutants.map(({ id }) => id)));
  const watch = setInterval(endHanging, 1000);
  try {
    for (;;) {
      const before = readNotes();
      const left = tests.filter((test) => !before.some((note) => isDone(note, resolve(test))));
      if (left.length === 0) break;
      await runTests(left, texts);
      // What fails before its first test, with or without a mutant, would go on forever.
      if (readNotes().length === before.length) throw new Error(`${left.join(" ")} does not run`);
    }
    const notes = readNotes();
    const broken = notes.filter(({ outcome }) => outcome === "broken").length;
    return {
      broken,
      tried: mutants.map((mutant) => ({ mutant, outcome: outcomeOf(mutant, notes) })),
    };
  } finally {
    clearInterval(watch);
    rmSync(folder, { recursive: true });
  }
}

const isDone = ({ test, outcome }: Note, file: string) => outcome === "done" && test === file;

async function runTests(tests: readonly string[], texts: ReadonlyMap<string, string>) {
  const vitest = await startVitest(
    "test",
    [...tests],
    {
      config: "test/mutate/vitest.config.ts",
      runner: "test/mutate/runner.ts",
      run: true,
      watch: false,
      reporters: [{}],
      maxWorkers: 1,
      maxConcurrency: 1,
      update: false,
      dangerouslyIgnoreUnhandledErrors: true,
    },
    { plugins: [{ name: "mutants", enforce: "pre", load: (id) => texts.get(id) }] },
  );
  await vitest.close();
  delete process.env["TMPDIR"];
  process.exitCode = undefined;
}

function endHanging(): void {
  const running = getRunning();
  if (running === undefined || Date.now() - running.since < longest) return;
  const { pid, test, mutant } = running;
  try {
    process.kill(pid, "SIGKILL");
    addNote(
      mutant === undefined ? { test, outcome: "done" } : { test, mutant, outcome: "timeout" },
    );
  } catch {}
}

function outcomeOf({ id }: Mutant, notes: readonly Note[]): Tried["outcome"] {
  const own = notes.filter(({ mutant }) => mutant === id);
  const notice = own.find(({ outcome }) => isNotice(outcome));
  if (notice !== undefined) return notice.outcome === "timeout" ? "timeout" : "noticed";
  return own.length > 0 ? "unnoticed" : "not reached";
}
