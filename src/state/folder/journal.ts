/** What one run leaves to the next beside certificates: unfinished orders, `post` hooks to execute, and what solvers keep. */
import { join } from "node:path";
import { entriesOf, readText, removeFile } from "./files.ts";
import { inTurn } from "./locks/locks.ts";
import { certificateFolderName, readableName, refuseClash } from "./names.ts";
import {
  hasStrings,
  parseObject,
  readRecord,
  refuseMovedAside,
  writeRecord,
  type Folder,
} from "./records.ts";
import { isRecord } from "../../json.ts";
import type { SolverState } from "../../plugin.ts";
import type {
  OrderPair,
  PendingHook,
  PendingHooks,
  PendingOrder,
  SolverValue,
  Store,
} from "../store.ts";

/** Unfinished orders, in `pending/<name>.json`. Written under the certificate's lock. */
export function openJournal(folder: Folder): Store["journal"] {
  const { root, check, assertHeld } = folder;
  const pending = join(root, "pending");
  const asHolder = (name: string) => () => assertHeld(`certificate:${name}`);
  const pathOf = (name: string) => join(pending, `${certificateFolderName(name)}.json`);
  const reading = (name: string) => ({
    folder,
    what: `The journal of the unfinished order for ${name}`,
    remedy: journalRemedy,
  });

  return {
    async names() {
      await check();
      const files = (await entriesOf(pending)).filter((entry) => isJournal(entry));
      return Promise.all(files.map((file) => nameIn(join(pending, file), file)));
    },
    async read(name) {
      await check();
      const path = pathOf(name);
      const found = await readRecord(path, isPendingOrder, reading(name));
      if (found !== undefined) refuseClash(path, found.name, name);
      return found;
    },
    async write(order) {
      await check();
      const path = pathOf(order.name);
      await inTurn(path, () => writeRecord(path, order, asHolder(order.name)));
    },
    async remove(name) {
      await check();
      const path = pathOf(name);
      await inTurn(path, () => removeFile(path, asHolder(name)));
    },
  };
}

/** Nothing of it is needed but what a run may have left behind. */
export const journalRemedy =
  "Look in it for DNS records that a run may have left, remove these, and delete the file: the next run orders anew.";

function isJournal(entry: string): boolean {
  return entry.endsWith(".json") && !entry.startsWith(".");
}

/** The name in the file, or the file's own when it is broken: `read` reports that. */
async function nameIn(path: string, file: string): Promise<string> {
  const name = parseObject((await readText(path)) ?? "")?.["name"];
  return typeof name === "string" ? name : file.slice(0, -".json".length);
}

const ofOrder = ["directory", "accountId", "requestHash", "startedAt"];

function isOrderPair(value: unknown): value is Record<string, unknown> & OrderPair {
  return (
    hasStrings(value, ofOrder) &&
    (value["second"] === undefined || hasStrings(value["second"], ofOrder))
  );
}

export function isPendingOrder(value: unknown): value is PendingOrder {
  return (
    isOrderPair(value) &&
    hasStrings(value, ["name"]) &&
    (value["others"] === undefined || isListOf(value["others"], isOrderPair)) &&
    Array.isArray(value["presented"]) &&
    value["presented"].every(
      (item) => isRecord(item) && isRecord(item["solver"]) && isRecord(item["challenge"]),
    )
  );
}

/** `post` hooks that runs still have to execute, in `hooks/post.json`. */
export function openPendingHooks(folder: Folder): Store["pendingHooks"] {
  const { root, check } = folder;
  const path = join(root, "hooks", "post.json");
  const lock = "pending-hooks";
  // The first release kept them as the state of a solver called "post hooks". The hash in it is not computed in each run.
  const oldPath = join(root, "solvers", "post_hooks~45e33113f8e6.json");
  const reading = { folder, what: "The list of pending post hooks" };

  async function list(): Promise<PendingHooks> {
    await check();
    const old = await readRecord(oldPath, isOldRecord, reading);
    const record = await readRecord(path, isHooksRecord, reading);
    if (record === undefined) await refuseMovedAside(path, reading);
    return { ...old?.values.owed, ...record?.hooks };
  }

  const change = (edit: (pending: PendingHooks) => PendingHooks) =>
    folder.exclusively(lock, async () => {
      await writeRecord(path, { hooks: edit(await list()) }, () => folder.assertHeld(lock));
      await removeFile(oldPath);
    });

  return {
    list,
    add: (run, hook) =>
      change((pending) => ({ ...pending, [run]: [...(pending[run] ?? []), hook] })),
    remove: (run) =>
      change((pending) =>
        Object.fromEntries(Object.entries(pending).filter(([other]) => other !== run)),
      ),
  };
}

function isHooksRecord(value: unknown): value is { hooks: PendingHooks } {
  return isRecord(value) && isPendingHooks(value["hooks"]);
}

function isOldRecord(value: unknown): value is { values: { owed?: PendingHooks } } {
  if (!isRecord(value) || !isRecord(value["values"])) return false;
  const { owed = {} } = value["values"];
  return isPendingHooks(owed);
}

function isPendingHooks(value: unknown): value is PendingHooks {
  return isRecord(value) && Object.values(value).every((hooks) => isListOf(hooks, isHook));
}

export function isHook(value: unknown): value is PendingHook {
  if (!isRecord(value)) return false;
  const { run, shell = false, cwd = "", timeout = 0, passEnv = [] } = value;
  const { certificate = "" } = value;
  return (
    (isText(run) || isListOf(run, isText)) &&
    typeof shell === "boolean" &&
    [cwd, certificate].every(isText) &&
    typeof timeout === "number" &&
    isListOf(passEnv, isText)
  );
}

function isListOf<T>(value: unknown, is: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every((item) => is(item));
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** JSON that a solver keeps, in `solvers/<solver>.json`. */
export function openSolverState(folder: Folder, solver: string): SolverState {
  const path = solverStateFile(folder.root, solver);
  const lock = `solver:${solver}`;
  const reading = { folder, what: `The state of the solver ${solver}` };

  async function read(): Promise<Record<string, unknown>> {
    await folder.check();
    const record = await readRecord(path, isSolverState, reading);
    if (record === undefined) await refuseMovedAside(path, reading);
    return record?.values ?? {};
  }

  return {
    async get(key) {
      const values = await read();
      return Object.hasOwn(values, key) ? values[key] : undefined;
    },
    async set(key, value) {
      await folder.exclusively(lock, async () => {
        const values = { ...(await read()), [key]: value };
        await writeRecord(path, { solver, values }, () => folder.assertHeld(lock));
      });
    },
  };
}

/** Of all solvers. Older releases did not write the name of one whose file has another name. */
export async function readSolverValues(folder: Folder): Promise<readonly SolverValue[]> {
  await folder.check();
  const solvers = join(folder.root, "solvers");
  const files = (await entriesOf(solvers)).filter((file) => isJournal(file));
  const found = files.map(async (file) => {
    const reading = { folder, what: `The state of a solver in ${file}` };
    const record = await readRecord(join(solvers, file), isSolverState, reading);
    const { solver = file.slice(0, -".json".length), values = {} } = record ?? {};
    if (solver.includes("~"))
      folder.log.warn(`${join(solvers, file)} is left out: it does not say of which solver it is`);
    const isNamed = !solver.includes("~");
    return Object.entries(isNamed ? values : {}).map(([key, value]) => ({ solver, key, value }));
  });
  return (await Promise.all(found)).flat();
}

function solverStateFile(root: string, solver: string): string {
  return join(root, "solvers", `${readableName(solver)}.json`);
}

function isSolverState(
  value: unknown,
): value is { values: Record<string, unknown>; solver?: string | undefined } {
  const { solver = "" } = isRecord(value) ? value : {};
  return isRecord(value) && isRecord(value["values"]) && typeof solver === "string";
}
