import type { Ledger } from "../ledger.ts";
import { fits, ledgerShape } from "../folder/shape.ts";
import type { Store } from "../store.ts";
import { swap, type Cell } from "../shared/swap.ts";
import type { Shared } from "./shared.ts";

/** What counts for the limits of each CA, once for all workers. */
export function openLedger({ database, check }: Shared): Store["ledger"] {
  const cellOf = (directory: string): Cell<Ledger> => ({
    async read() {
      await check();
      const [row] = await database.rows<{ ledger: unknown; revision: string }>(
        "SELECT ledger, revision FROM acmectl.ledgers WHERE directory = $1",
        [directory],
      );
      return { value: isLedger(row?.ledger) ? row.ledger : empty, revision: row?.revision };
    },
    async write(ledger, revision, before) {
      const values = [directory, JSON.stringify(ledger), revision];
      const changed =
        before === undefined
          ? await database.count(
              `INSERT INTO acmectl.ledgers (directory, ledger, revision) VALUES ($1, $2, $3)
               ON CONFLICT DO NOTHING`,
              values,
            )
          : await database.count(
              `UPDATE acmectl.ledgers SET ledger = $2, revision = $3
               WHERE directory = $1 AND revision = $4`,
              [...values, before],
            );
      return changed === 1;
    },
  });
  return {
    read: async (directory) => (await cellOf(directory).read()).value,
    update: (directory, change) =>
      swap(`${database.where} ledger ${directory}`, cellOf(directory), change),
  };
}

const empty: Ledger = { entries: [], pauses: [] };

function isLedger(value: unknown): value is Ledger {
  return fits(value, ledgerShape);
}
