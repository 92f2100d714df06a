import { join } from "node:path";
import type { Ledger } from "../ledger.ts";
import type { Store } from "../store.ts";
import { readText } from "./files.ts";
import { directoryFolderName } from "./names.ts";
import { parseObject, writeRecord, type Folder } from "./records.ts";
import { fits, ledgerShape } from "./shape.ts";

/** What counts for the limits of each CA, in `ledger/<directory>.json`. */
export function openLedger(folder: Folder): Store["ledger"] {
  const pathOf = (directory: string) =>
    join(folder.root, "ledger", `${directoryFolderName(directory)}.json`);
  const read: Store["ledger"]["read"] = async (directory) => {
    await folder.check();
    const found = parseObject((await readText(pathOf(directory))) ?? "");
    // Losing it costs at most a refusal; failing for it would cost certificates.
    if (!isLedger(found)) return empty;
    const { entries, pauses, clock } = found;
    return { entries, pauses, clock };
  };
  return {
    read,
    update: (directory, change) =>
      folder.exclusively(lockOf(directory), async () => {
        const ledger = await change(await read(directory));
        await writeRecord(pathOf(directory), ledger, () => folder.assertHeld(lockOf(directory)));
        return ledger;
      }),
  };
}

const lockOf = (directory: string) => `ledger:${directory}`;

const empty: Ledger = { entries: [], pauses: [] };

function isLedger(value: unknown): value is Ledger {
  return fits(value, ledgerShape);
}
