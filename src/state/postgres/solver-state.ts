import { parseJson } from "../../json.ts";
import type { SolverState } from "../../plugin.ts";
import type { SolverValue } from "../store.ts";
import type { Shared } from "./shared.ts";

/** JSON that a solver keeps, encrypted like keys, since it may be a password. */
export function openSolverState({ database, check, sealing }: Shared, solver: string): SolverState {
  return {
    async get(key) {
      await check();
      const [row] = await database.rows<{ value: string }>(
        "SELECT value FROM acmectl.solver_values WHERE solver = $1 AND key = $2",
        [solver, key],
      );
      return row && parseJson(sealing.open(row.value, whatOfValue(solver, key)));
    },
    async set(key, value) {
      await check();
      if (value === undefined) {
        await database.count("DELETE FROM acmectl.solver_values WHERE solver = $1 AND key = $2", [
          solver,
          key,
        ]);
        return;
      }
      await database.count(
        `INSERT INTO acmectl.solver_values (solver, key, value) VALUES ($1, $2, $3)
         ON CONFLICT (solver, key) DO UPDATE SET value = excluded.value`,
        [solver, key, sealing.seal(JSON.stringify(value), whatOfValue(solver, key))],
      );
    },
  };
}

export async function readSolverValues(shared: Shared): Promise<readonly SolverValue[]> {
  await shared.check();
  const rows = await shared.database.rows<{ solver: string; key: string; value: string }>(
    "SELECT solver, key, value FROM acmectl.solver_values ORDER BY solver, key",
  );
  return rows.map(({ solver, key, value }) => ({
    solver,
    key,
    value: parseJson(shared.sealing.open(value, whatOfValue(solver, key))),
  }));
}

export const whatOfValue = (name: string, version: string) => ({
  kind: "solver value",
  name,
  version,
});
