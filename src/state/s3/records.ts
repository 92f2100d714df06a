/** What is kept beside certificates and accounts: ledgers, hooks, responses to challenges and values of solvers. */
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { isRecord, parseJson } from "../../json.ts";
import type { SolverState } from "../../plugin.ts";
import { isHook } from "../folder/journal.ts";
import { readableName } from "../folder/names.ts";
import { hasStrings } from "../folder/records.ts";
import { fits, ledgerShape } from "../folder/shape.ts";
import type { Ledger } from "../ledger.ts";
import type { Answer, AnswerKey, PendingHook, SolverValue, Store } from "../store.ts";
import { change, isAnything, newId, readAll, type Found } from "./objects.ts";
import type { Shared } from "./shared.ts";

export function openRecords(shared: Shared) {
  return {
    ledger: openLedger(shared),
    pendingHooks: openPendingHooks(shared),
    answers: openAnswers(shared),
    solverState: (solver: string) => openSolverState(shared, solver),
    solverValues: () => readSolverValues(shared),
  };
}

/** What counts for the limits of each CA, once for all workers. One that cannot be read counts as empty. */
function openLedger({ objects }: Shared): Store["ledger"] {
  return {
    read: async (directory) => ledgerIn((await objects.read(keyOf(directory)))?.value),
    async update(directory, turn) {
      const turned = (ledger: unknown) => turn(ledgerIn(ledger));
      return ledgerIn(await change(objects, keyOf(directory), isAnything, turned));
    },
  };
}

const keyOf = (directory: string) => `ledgers/${readableName(directory)}.json`;
const ledgerIn = (value: unknown) => (isLedger(value) ? value : empty);
const empty: Ledger = { entries: [], pauses: [] };

function isLedger(value: unknown): value is Ledger {
  return fits(value, ledgerShape);
}

/** `post` hooks that runs of this host still have to execute. */
function openPendingHooks({ objects }: Shared): Store["pendingHooks"] {
  const ofHost = `hooks/${readableName(hostname())}/`;
  const keyed = (run: string) => `${ofHost}${readableName(run)}/`;
  return {
    async list() {
      const byRun = new Map<string, PendingHook[]>();
      for await (const [, { value }] of readAll(objects, ofHost)) {
        const { run, hook } = isRecord(value) ? value : {};
        if (typeof run === "string" && isHook(hook))
          byRun.set(run, [...(byRun.get(run) ?? []), hook]);
      }
      return Object.fromEntries(byRun);
    },
    add: (run, hook) => objects.put(`${keyed(run)}${newId(objects)}.json`, { run, hook }),
    async remove(run) {
      for await (const page of objects.pages(keyed(run)))
        await Promise.all(page.map(({ key }) => objects.remove(key)));
    },
  };
}

/** Responses to challenges, for every host. They expire by the server's clock. They are public, so they are not encrypted. */
function openAnswers({ objects }: Shared): Store["answers"] {
  const known = new Map<string, Found>();
  return {
    async put({ type, host, token, content }, lifetime) {
      const answer = { type, host, token, content };
      const endsAt = objects.now() + lifetime;
      await change(objects, answerKey(answer), isAnything, () => ({ answer, endsAt }));
    },
    async list() {
      const answers: Answer[] = [];
      const now = objects.now();
      for await (const [key, found] of readAll(objects, "answers/", known)) {
        if (!isAnswer(found.value)) continue;
        const { answer, endsAt } = found.value;
        if (endsAt > now) answers.push(answer);
        // Left by a run that was killed. A host that may only read leaves it, too.
        else if (endsAt < now - hour) await objects.remove(key, found.etag).catch(() => undefined);
      }
      return answers;
    },
    remove: (answer) => objects.remove(answerKey(answer)),
  };
}

const hour = 3_600_000;

const answerKey = ({ type, host, token }: AnswerKey) =>
  `answers/${hashOf(JSON.stringify([type, host, token]))}.json`;

function isAnswer(value: unknown): value is { answer: Answer; endsAt: number } {
  return (
    isRecord(value) &&
    typeof value["endsAt"] === "number" &&
    hasStrings(value["answer"], ["type", "host", "token", "content"])
  );
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** JSON that a solver keeps, encrypted like keys, since it may be a password. */
function openSolverState({ objects, sealing }: Shared, solver: string): SolverState {
  const keyOf = (key: string) => `solvers/${readableName(solver)}/${hashOf(key)}.json`;
  return {
    async get(key) {
      const value = (await objects.read(keyOf(key)))?.value;
      return isSolverValue(value)
        ? parseJson(sealing.open(value.value, whatOfValue(solver, key)))
        : undefined;
    },
    async set(key, value) {
      if (value === undefined) return objects.remove(keyOf(key));
      const sealed = sealing.seal(JSON.stringify(value), whatOfValue(solver, key));
      await change(objects, keyOf(key), isAnything, () => ({ solver, key, value: sealed }));
    },
  };
}

async function readSolverValues({ objects, sealing }: Shared): Promise<readonly SolverValue[]> {
  const values: SolverValue[] = [];
  for await (const [, { value: stored }] of readAll(objects, "solvers/")) {
    if (!isSolverValue(stored)) continue;
    const { solver, key, value } = stored;
    values.push({ solver, key, value: parseJson(sealing.open(value, whatOfValue(solver, key))) });
  }
  return values;
}

export const whatOfValue = (name: string, version: string) => ({
  kind: "solver value",
  name,
  version,
});

export function isSolverValue(
  value: unknown,
): value is Readonly<Record<"solver" | "key" | "value", string>> {
  return hasStrings(value, ["solver", "key", "value"]);
}
