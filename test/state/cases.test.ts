import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import { silentLog } from "../../src/testing.ts";
import { temporaryFolder } from "../support/state.ts";
import { storeCases, type OpenState } from "./cases.ts";
import { openMemoryStore, type Memory } from "./memory.ts";

async function folderOfTest(): Promise<string> {
  const folder = await temporaryFolder("acmectl-store-");
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return join(folder.path, "state");
}

const backends: Readonly<Record<string, OpenState>> = {
  async folder(clock) {
    const root = await folderOfTest();
    return () => openFolderStore(root, { log: silentLog, clock });
  },
  async memory(clock) {
    const memory: Memory = new Map();
    const folder = await folderOfTest();
    return () => openMemoryStore(memory, folder, clock);
  },
};

describe.each(Object.entries(backends))("the store in a %s", (_, open) => {
  test.each(storeCases)("$name", ({ run }) => run(open));
});
