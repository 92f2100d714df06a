import { join } from "node:path";

import { entriesOf, readText, removeFile } from "./files.ts";
import type { Folder } from "./folder.ts";
import { inTurn } from "./locks.ts";
import { certificateFolderName, refuseClash } from "./names.ts";
import { hasStrings, parseObject, readRecord, writeRecord } from "./records.ts";
import { isRecord } from "../../json.ts";
import type { PendingOrder, Store } from "../store.ts";

/** Unfinished orders, in `pending/<name>.json`. Written under the certificate's lock. */
export function openJournal({ root, clock, check }: Folder): Store["journal"] {
  const pending = join(root, "pending");
  const pathOf = (name: string) => join(pending, `${certificateFolderName(name)}.json`);
  const reading = (name: string) => ({
    clock,
    what: `The journal of the unfinished order for ${name}`,
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
      await inTurn(path, () => writeRecord(path, order));
    },
    async remove(name) {
      await check();
      const path = pathOf(name);
      await inTurn(path, () => removeFile(path));
    },
  };
}

function isJournal(entry: string): boolean {
  return entry.endsWith(".json") && !entry.startsWith(".");
}

/** The name in the file, or the file's own when it is broken: `read` reports that. */
async function nameIn(path: string, file: string): Promise<string> {
  const name = parseObject((await readText(path)) ?? "")?.["name"];
  return typeof name === "string" ? name : file.slice(0, -".json".length);
}

function isPendingOrder(value: unknown): value is PendingOrder {
  return (
    hasStrings(value, ["name", "directory", "accountId", "requestHash", "startedAt"]) &&
    Array.isArray(value["presented"]) &&
    value["presented"].every(
      (item) => isRecord(item) && isRecord(item["solver"]) && isRecord(item["challenge"]),
    )
  );
}
