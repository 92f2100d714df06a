import { join } from "node:path";

import type { SolverState } from "../../plugin.ts";
import type { Folder } from "./folder.ts";
import { readableName } from "./names.ts";
import { isObject, readRecord, refuseMovedAside, writeRecord } from "./records.ts";

/** JSON that a solver keeps, in `solvers/<solver>.json`. A value of `undefined` removes the key. */
export function openSolverState(folder: Folder, solver: string): SolverState {
  const path = join(folder.root, "solvers", `${readableName(solver)}.json`);
  const reading = { clock: folder.clock, what: `The state of the solver ${solver}` };

  async function read(): Promise<Record<string, unknown>> {
    await folder.check();
    const record = await readRecord(path, isKept, reading);
    if (record === undefined) await refuseMovedAside(path, reading);
    return record?.values ?? {};
  }

  return {
    async get(key) {
      const values = await read();
      return Object.hasOwn(values, key) ? values[key] : undefined;
    },
    async set(key, value) {
      await folder.exclusively(`solver:${solver}`, async () => {
        await writeRecord(path, { values: { ...(await read()), [key]: value } });
      });
    },
  };
}

function isKept(value: unknown): value is { values: Record<string, unknown> } {
  return isObject(value) && isObject(value["values"]);
}
