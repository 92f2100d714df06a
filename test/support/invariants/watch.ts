/** Watches runs from their start to their end, and checks the invariants there. */
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestCa } from "../../../src/test-ca/test-ca.ts";
import { assertInvariants, type Excused } from "./invariants.ts";
import { seeDatabase, type DatabaseSeen } from "./postgres.ts";
import { seeState } from "./state.ts";
import { programsAfter, type Surroundings } from "./surroundings.ts";

interface Started {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly surroundings?: Surroundings;
  /** Of a run that was a process of its own. */
  readonly pid?: number | undefined;
}

const cas = new Map<string, TestCa>();

/** From now on runs with this state are checked against what this CA was asked. */
export function watchCa(state: string, ca: TestCa): void {
  cas.set(state, ca);
}

interface Running {
  readonly state: string;
  readonly ca: TestCa | undefined;
  alone: boolean;
}

const running = new Set<Running>();

/** As the last run has left them, by the URL of the database. */
const helds = new Map<string, DatabaseSeen["held"]>();

/** Call it before the run; call its answer after the run, which rejects if an invariant is broken. */
export function watchRun(
  { words, env }: Started,
  excused: Excused = {},
): (ended: Ended) => Promise<void> {
  const state = stateOf(words, env);
  const ca = cas.get(state);
  const before = seeState(state);
  const from = ca?.requests.length ?? 0;
  const others = [...running].filter(
    (other) => other.state === state || (ca !== undefined && other.ca === ca),
  );
  for (const other of others) other.alone = false;
  const mine: Running = { state, ca, alone: others.length === 0 };
  running.add(mine);
  return async ({ pid, ...ended }) => {
    const left = pid && programsAfter(pid, pathsOf(state, env));
    const database = isPostgres(state) ? await seeDatabase(state, env) : undefined;
    const heldBefore = helds.get(state);
    if (database !== undefined) helds.set(state, database.held);
    running.delete(mine);
    const asked = ca && { asked: ca.requests.slice(from), ever: ca.requests };
    const after = seeState(state);
    const config = configOf(words, env);
    const run = { words, env, config, before, after, alone: mine.alone, ...ended };
    const seen = { ...run, left: left || [], database, heldBefore };
    assertInvariants(asked === undefined ? seen : { ...seen, ca: asked }, excused);
  };
}

const isPostgres = (state: string) => /^postgres(ql)?:/.test(state);

/** What programs of this run have in their words or environment, and those of other tests have not. */
function pathsOf(state: string, { HOME = "" }: Started["env"]): readonly string[] {
  return [state, HOME].filter((path) => path.startsWith(tmpdir()));
}

/** Read after the run, which may have been told to write it. */
function configOf(words: readonly string[], env: Started["env"]): string {
  const file = valueOf("--config", words) ?? env["ACMECTL_CONFIG"] ?? "/nowhere";
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

function valueOf(flag: string, words: readonly string[]): string | undefined {
  const joined = words.find((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1);
  return words.includes(flag) ? words[words.indexOf(flag) + 1] : joined;
}

function stateOf(words: readonly string[], env: Started["env"]): string {
  const home = env["XDG_STATE_HOME"] ?? join(env["HOME"] ?? "/nowhere", ".local/state");
  return valueOf("--state", words) ?? env["ACMECTL_STATE"] ?? join(home, "acmectl");
}
