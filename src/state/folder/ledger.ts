import { join } from "node:path";
import { isRecord } from "../../json.ts";
import type { Ledger } from "../ledger.ts";
import type { Store } from "../store.ts";
import { readText } from "./files.ts";
import { directoryFolderName } from "./names.ts";
import { hasStrings, parseObject, writeRecord, type Folder } from "./records.ts";

/** What counts for the limits of each CA, in `ledger/<directory>.json`. */
export function openLedger(folder: Folder): Store["ledger"] {
  const pathOf = (directory: string) =>
    join(folder.root, "ledger", `${directoryFolderName(directory)}.json`);
  const read: Store["ledger"]["read"] = async (directory) => {
    await folder.check();
    const found = parseObject((await readText(pathOf(directory))) ?? "");
    // Losing it costs at most a refusal; failing for it would cost certificates.
    return isLedger(found) ? { entries: found.entries, pauses: found.pauses } : empty;
  };
  return {
    read,
    update: (directory, change) =>
      folder.exclusively(`ledger:${directory}`, async () => {
        const ledger = await change(await read(directory));
        await writeRecord(pathOf(directory), ledger);
        return ledger;
      }),
  };
}

const empty: Ledger = { entries: [], pauses: [] };

function isLedger(value: unknown): value is Ledger {
  if (!isRecord(value)) return false;
  const { entries, pauses } = value;
  return (
    Array.isArray(entries) &&
    Array.isArray(pauses) &&
    entries.every(
      (one) =>
        hasStrings(one, ["at", "event"]) &&
        Array.isArray(one["names"]) &&
        one["names"].every((name) => typeof name === "string"),
    ) &&
    pauses.every((one) => hasStrings(one, ["until", "detail"]))
  );
}
