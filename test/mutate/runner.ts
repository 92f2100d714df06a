/** Runs each test once as it is, then again for each mutant that it has reached and that no test before has noticed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type RunnerTestCase, type RunnerTestFile, type TestTryOptions, TestRunner } from "vitest";
import { addNote, folder, isNotice, readNotes, setRunning } from "./notes.ts";

/** What the code that Stryker changed looks at. */
interface Switches {
  activeMutant?: string | undefined;
  currentTestId?: string | undefined;
  hitCount?: number | undefined;
  hitLimit?: number | undefined;
  mutantCoverage?: { readonly perTest: Record<string, Record<string, number>> };
}

interface Trial {
  /** The mutants to try, in turn. */
  readonly left: readonly string[];
  readonly hits: Readonly<Record<string, number>>;
  readonly milliseconds: number;
}

const switches: Switches = {};
Reflect.set(globalThis, "__stryker__", switches);
const drawn = new Set<string>(JSON.parse(readFileSync(join(folder(), "mutants"), "utf8")));
const noted = readNotes();
const done = new Set(noted.flatMap(({ test, outcome }) => (outcome === "done" ? [test] : [])));
const noticed = new Set(
  noted.flatMap(({ mutant, outcome }) => (isNotice(outcome) ? [mutant ?? ""] : [])),
);
const tried = new Set(noted.map(({ test, mutant, outcome }) => `${outcome} ${test} ${mutant}`));
const trials = new Map<string, Trial>();
const turns = new Map<string, number>();

export default class MutantRunner extends TestRunner {
  override async onBeforeRunTask(test: RunnerTestCase): Promise<void> {
    if (done.has(test.id)) test.mode = "skip";
    test.repeats = drawn.size;
    await super.onBeforeRunTask(test);
  }

  override onBeforeTryTask(test: RunnerTestCase, options: TestTryOptions): void {
    super.onBeforeTryTask(test, options);
    turns.set(test.id, options.repeats);
  }

  async runTask(test: RunnerTestCase): Promise<void> {
    if (turns.get(test.id) === 0) return measure(test);
    const mutant = mutantOf(test);
    if (mutant !== undefined) await runWith(mutant, test);
  }

  override async onAfterRetryTask(test: RunnerTestCase, options: TestTryOptions): Promise<void> {
    await super.onAfterRetryTask(test, options);
    const hasFailed = test.result?.state === "fail";
    const mutant = mutantOf(test);
    if (mutant !== undefined) {
      addNote({ test: test.id, mutant, outcome: hasFailed ? "noticed" : "unnoticed" });
      if (hasFailed) noticed.add(mutant);
    } else if (hasFailed) {
      addNote({ test: test.id, outcome: "broken" });
      trials.delete(test.id);
    }
    setRunning(undefined);
    if (test.result === undefined) return;
    test.result.errors = [];
    test.result.attempts = [];
  }

  override onAfterRunTask(test: RunnerTestCase): void {
    super.onAfterRunTask(test);
    addNote({ test: test.id, outcome: "done" });
    trials.delete(test.id);
  }

  override onAfterRunFiles(files: RunnerTestFile[]): void {
    super.onAfterRunFiles(files);
    for (const { filepath } of files) addNote({ test: filepath, outcome: "done" });
  }
}

function mutantOf({ id }: RunnerTestCase): string | undefined {
  const mutant = trials.get(id)?.left[(turns.get(id) ?? 0) - 1];
  return mutant === undefined || noticed.has(mutant) ? undefined : mutant;
}

/** As the code is: which mutants the test reaches, and how long it takes. */
async function measure(test: RunnerTestCase): Promise<void> {
  switches.currentTestId = test.id;
  const began = performance.now();
  setRunning({ pid: process.pid, test: test.id, since: Date.now() });
  try {
    await TestRunner.getTestFn(test)();
  } finally {
    switches.currentTestId = undefined;
    const hits = switches.mutantCoverage?.perTest[test.id] ?? {};
    const reached = Object.keys(hits).filter((id) => drawn.has(id));
    for (const mutant of reached) addNote({ test: test.id, mutant, outcome: "reached" });
    const left = reached.filter((id) => !tried.has(`unnoticed ${test.id} ${id}`));
    trials.set(test.id, { left, hits, milliseconds: performance.now() - began });
  }
}

async function runWith(mutant: string, test: RunnerTestCase): Promise<void> {
  const { hits = {}, milliseconds = 0 } = trials.get(test.id) ?? {};
  switches.activeMutant = mutant;
  switches.hitCount = 0;
  switches.hitLimit = 1000 + 100 * (hits[mutant] ?? 0);
  setRunning({ pid: process.pid, test: test.id, mutant, since: Date.now() });
  const timer = setTimeout(
    () => {
      addNote({ test: test.id, mutant, outcome: "timeout" });
      // What the test still does would disturb the next one.
      process.kill(process.pid, "SIGKILL");
    },
    Math.max(4000, 8 * milliseconds),
  );
  try {
    await TestRunner.getTestFn(test)();
  } finally {
    clearTimeout(timer);
    switches.activeMutant = switches.hitCount = switches.hitLimit = undefined;
  }
}
