import { join } from "node:path";

import { isRecord } from "../../json.ts";
import type { SolverState } from "../../plugin.ts";
import { readableName } from "./names.ts";
import { readRecord, refuseMovedAside, writeRecord, type Folder } from "./records.ts";

/** JSON that a solver keeps, in `solvers/<solver>.json`. */
export function openSolverState(folder: Folder, solver: string): SolverState {
  const path = solverStateFile(folder.root, solver);
  const reading = { clock: folder.clock, what: `The state of the solver ${solver}` };

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
      await folder.exclusively(`solver:${solver}`, async () => {
        await writeRecord(path, { values: { ...(await read()), [key]: value } });
      });
    },
  };
}

export function solverStateFile(root: string, solver: string): string {
  return join(root, "solvers", `${readableName(solver)}.json`);
}

function isSolverState(value: unknown): value is { values: Record<string, unknown> } {
  return isRecord(value) && isRecord(value["values"]);
}
