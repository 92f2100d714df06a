import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { openFolderStore } from "../../../src/state/folder/folder.ts";
import { openLocalFiles } from "../../../src/state/shared/local-files.ts";
import type { NewVersion } from "../../../src/state/store.ts";
import { silentLog } from "../../../src/testing.ts";
import { temporaryFolder } from "../../support/state.ts";
import { newVersion, requestOf } from "../material.ts";
import { never } from "../state.ts";

const stored = ({ meta }: NewVersion, version: number) => ({
  name: "shop",
  request: requestOf("shop"),
  status: { failures: 0 },
  held: { version, meta },
});

/** A shared state that holds the version that is set. */
async function world() {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const held: { version?: NewVersion; number: number } = { number: 0 };
  const source = { files: folder.path, log: silentLog, clock: systemClock, signal: never };
  const readVersion = async () => {
    const { version, number } = held;
    return (
      version && { ...version, second: undefined, number, privateKey: () => version.privateKey }
    );
  };
  const folderStore = openFolderStore(folder.path, source);
  return { local: openLocalFiles({ ...source, readVersion }), held, folderStore };
}

test("a run that knows an older version writes the one that the shared state holds, with its own facts", async () => {
  const { local, held, folderStore } = await world();
  const [one, two] = [await newVersion("01"), await newVersion("02")];
  Object.assign(held, { version: two, number: 2 });
  await local.write(stored(one, 1));
  const written = await folderStore.certificates.read("shop");
  expect(written?.damage).toBeUndefined();
  expect(written?.held?.meta).toEqual(two.meta);
  expect(await folderStore.certificates.readPrivateKey("shop")).toBe(`${two.privateKey}\n`);
});

test("a run that waits for another one of this host does not put an older version over its newer one", async () => {
  const { local, held, folderStore } = await world();
  const [one, two] = [await newVersion("01"), await newVersion("02")];
  Object.assign(held, { version: one, number: 1 });
  const lock = await folderStore.lock("certificate:shop", { wait: 0, signal: never });
  const late = local.write(stored(one, 1));
  await systemClock.sleep(100, never);
  Object.assign(held, { version: two, number: 2 });
  await folderStore.certificates.saveRequest(requestOf("shop"));
  await folderStore.certificates.commit("shop", two, lock);
  await lock.release();
  await late;
  expect(await folderStore.certificates.readPrivateKey("shop")).toBe(`${two.privateKey}\n`);
});
