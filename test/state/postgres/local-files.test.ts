import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { openFolderStore } from "../../../src/state/folder/folder.ts";
import { openLocalFiles } from "../../../src/state/postgres/local-files.ts";
import type { Shared } from "../../../src/state/postgres/shared.ts";
import { openSealing } from "../../../src/state/sealing.ts";
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

/** A database that holds the version that is set. */
async function world() {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const held: { version?: NewVersion; number: number } = { number: 0 };
  const rows = async <T>() => {
    const { privateKey: private_key, certificate, chain, meta } = held.version ?? {};
    const row = { version: held.number, meta, certificate, chain, private_key, second: null };
    return [row] as T[];
  };
  const shared = {
    files: folder.path,
    log: silentLog,
    clock: systemClock,
    signal: never,
    sealing: openSealing([], { plain: true }),
    check: async () => {},
    database: { rows },
  } as unknown as Shared;
  const folderStore = openFolderStore(folder.path, shared);
  return { local: openLocalFiles(shared), held, folderStore };
}

test("a run that knows an older version writes the one that the database holds, with its own facts", async () => {
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
