import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { backUpFolder } from "../../src/state/folder/archive/backup.ts";
import { restoreFolder } from "../../src/state/folder/archive/restore.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import { silentLog } from "../../src/testing.ts";
import { temporaryFolder } from "../support/state.ts";
import { filledState } from "./filled.ts";
import { newVersion, requestOf } from "./material.ts";
import { never } from "./state.ts";

const now = new Date("2026-05-01T00:00:00.000Z");
const open = (root: string) => openFolderStore(root, { log: silentLog, clock: systemClock });

async function filled() {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const [root, file, other] = ["state", "backup.tar.gz", "other"].map((name) =>
    join(folder.path, name),
  ) as [string, string, string];
  const store = open(root);
  await filledState(store);
  return { root, file, other, store };
}

test("a restored state has everything that the backup was made of, and its modes", async () => {
  const { root, file, other, store } = await filled();
  const long = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.example.com`;
  await store.certificates.saveRequest(requestOf(long));
  const key = join(root, "certificates/shop/versions/1/privkey.pem");
  await chmod(key, 0o640);
  const count = await backUpFolder(root, file, { now, signal: never });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await restoreFolder(file, other, never)).toEqual({ at: now.toISOString(), count });
  expect(existsSync(join(other, "locks"))).toBe(false);
  const copy = open(other);
  expect(await copy.certificates.read("shop")).toEqual(await store.certificates.read("shop"));
  expect(await copy.certificates.names()).toEqual(await store.certificates.names());
  expect(await copy.journal.read("shop")).toEqual(await store.journal.read("shop"));
  expect((await copy.accounts.list()).map((one) => one.key)).toEqual(
    (await store.accounts.list()).map((one) => one.key),
  );
  expect(await copy.check({ repair: false })).toEqual([]);
  expect(await readlink(join(other, "certificates/shop/current"))).toBe("versions/1");
  const restored = await stat(join(other, "certificates/shop/versions/1/privkey.pem"));
  expect(restored.mode & 0o777).toBe(0o640);
});

test("tar reads the archive", async () => {
  const { root, file } = await filled();
  await backUpFolder(root, file, { now, signal: never });
  const { stdout } = await promisify(execFile)("tar", ["-tzf", file]);
  expect(stdout).toContain("certificates/shop/versions/1/privkey.pem");
});

test("each backup that is made while versions are committed shows a matching pair", async () => {
  const { root, file, other, store } = await filled();
  const lock = await store.lock("certificate:shop", { wait: 0, signal: never });
  const commits = (async () => {
    for (let serial = 2; serial < 20; serial += 1)
      await store.certificates.commit("shop", await newVersion(`${serial + 10}`), lock);
  })();
  for (let count = 0; count < 10; count += 1) {
    await backUpFolder(root, `${file}${count}`, { now, signal: never });
    await restoreFolder(`${file}${count}`, `${other}${count}`, never);
    const copy = await open(`${other}${count}`).certificates.read("shop");
    expect(copy?.damage).toBeUndefined();
    expect(copy?.held).toBeDefined();
  }
  await commits;
  await lock.release();
});

test("a backup replaces no file, and a restore no state", async () => {
  const { root, file, other } = await filled();
  await writeFile(file, "mine");
  await expect(backUpFolder(root, file, { now, signal: never })).rejects.toThrow(/exists already/);
  expect(await readFile(file, "utf8")).toBe("mine");
  await backUpFolder(root, `${file}2`, { now, signal: never });
  await mkdir(join(other, "certificates"), { recursive: true });
  await expect(restoreFolder(`${file}2`, other, never)).rejects.toThrow(/is not empty/);
});

test("an archive that was changed or cut off is refused, and no state appears", async () => {
  const { root, file, other } = await filled();
  await backUpFolder(root, file, { now, signal: never });
  const whole = gunzipSync(await readFile(file));
  const at = whole.indexOf("BEGIN PRIVATE KEY") + 60;
  const changed = Buffer.from(whole);
  changed[at] = 65 + ((changed[at] ?? 0) % 20);
  const moved = Buffer.from(whole.toString("latin1").replace("accounts/", "../count/"), "latin1");
  const damaged = {
    "was changed": gzipSync(changed),
    "cut off": gzipSync(whole.subarray(0, whole.length / 2)),
    "another checksum": gzipSync(moved),
    "no list of": gzipSync(Buffer.alloc(1024)),
    "not a usable backup": Buffer.from("not an archive"),
  };
  for (const [why, content] of Object.entries(damaged)) {
    await writeFile(file, content);
    await expect(restoreFolder(file, other, never)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(why),
    });
    expect(existsSync(other)).toBe(false);
  }
  await expect(restoreFolder(`${file}-none`, other, never)).rejects.toThrow(/not a usable backup/);
});
