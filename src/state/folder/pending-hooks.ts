import { join } from "node:path";

import type { HookSetting } from "../../certificate.ts";
import { isRecord } from "../../json.ts";
import type { PendingHooks, Store } from "../store.ts";
import { removeFile } from "./files.ts";
import type { Folder } from "./folder.ts";
import { readRecord, refuseMovedAside, writeRecord } from "./records.ts";
import { solverStateFile } from "./solver-state.ts";

/** `post` hooks that runs still have to execute, in `hooks/post.json`. */
export function openPendingHooks(folder: Folder): Store["pendingHooks"] {
  const { root, clock, check } = folder;
  const path = join(root, "hooks", "post.json");
  // The first release kept them as the state of a solver.
  const oldPath = () => solverStateFile(root, "post hooks");
  const reading = { clock, what: "The list of pending post hooks" };

  async function list(): Promise<PendingHooks> {
    await check();
    const old = await readRecord(oldPath(), isOldRecord, reading);
    const record = await readRecord(path, isHooksRecord, reading);
    if (record === undefined) await refuseMovedAside(path, reading);
    return { ...old?.values.owed, ...record?.hooks };
  }

  const change = (edit: (pending: PendingHooks) => PendingHooks) =>
    folder.exclusively("pending-hooks", async () => {
      await writeRecord(path, { hooks: edit(await list()) });
      await removeFile(oldPath());
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

function isHook(value: unknown): value is HookSetting {
  if (!isRecord(value)) return false;
  const { run, shell = false, cwd = "", timeout = 0, passEnv = [] } = value;
  return (
    (isText(run) || isListOf(run, isText)) &&
    typeof shell === "boolean" &&
    isText(cwd) &&
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
