/** Whatever dies or fails during a commit, and when: readers hold a matching pair, and the next run works and tidies up. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { expect, test } from "vitest";

import type { Store, StoredAccount } from "../../src/state/store.ts";
import { newVersion, requestOf } from "../state/material.ts";
import { never, openStore, tree } from "../state/state.ts";
import { strides } from "../support/counted.ts";
import { runChild } from "./children.ts";
import type { PullSeen } from "./pull-steps.ts";

test("a commit killed before any file system call leaves the old pair or the new one", async () => {
  const { store, root, old, next } = await prepared();
  await runChild("contend", root, "0");
  const outcomes = new Set<string>();
  let version = 1;
  const stride = strides("commit");
  for (let step = 0; ; step += stride()) {
    const child = await runChild("die", root, `${step}`);
    const held = await pairOf(store, root);
    outcomes.add(held);
    expect([old.meta.serial, next.meta.serial], `after step ${step}`).toContain(held);
    if (child.code === 0) break;
    expect(child.signal, child.stderr).toBe("SIGKILL");

    // The next run: the lock is free at once, the commit succeeds, nothing is left of the dead one.
    const lock = await store.lock("certificate:shop", { wait: 0, signal: never });
    await store.certificates.updateStatus("shop", (status) => ({ ...status, failures: 0 }));
    const committed = await store.certificates.commit("shop", old, lock);
    await lock.release();
    expect(committed.version).toBeGreaterThan(version);
    version = committed.version;
    await expectTidy(root);
  }
  expect(outcomes).toEqual(new Set([old.meta.serial, next.meta.serial]));
  await expectTidy(root);
}, 120_000);

test.each(["ENOSPC", "EIO", "EACCES"])(
  "a commit in which any one file system call fails with %s is a Problem, and changes nothing or all",
  async (code) => {
    const { root } = await prepared();
    const report = join(dirname(root), "report.json");
    const child = await runChild("fail", root, report, { FAIL_WITH: code });
    expect(child.stderr).toBe("");
    const seen: {
      failed: string;
      committed: number;
      serial: string;
      wanted: string;
      exitCode?: number;
      message?: string;
    }[] = JSON.parse(await readFile(report, "utf8"));

    expect(seen.length).toBeGreaterThan(40);
    let before = 1;
    for (const run of seen) {
      if (run.exitCode === undefined) expect(run.serial).toBe(run.wanted);
      else expect(run, JSON.stringify(run)).toMatchObject({ exitCode: 3 });
      if (run.exitCode !== undefined) expect(run.message).toContain(`(${code})`);
      expect(run.committed).toBeGreaterThanOrEqual(before);
      before = run.committed;
    }
    expect(seen.filter((run) => run.exitCode !== undefined).length).toBeGreaterThan(30);
    await expectTidy(root);
  },
  60_000,
);

test("every file is synced before its folder is renamed, and every folder after", async () => {
  const { root } = await prepared();
  const report = join(dirname(root), "report.json");
  expect((await runChild("trace", root, report)).stderr).toBe("");
  const calls: string[] = JSON.parse(await readFile(report, "utf8"));

  const file = ["open", "handle.chmod", "handle.writeFile", "handle.sync"];
  const syncFolder = ["open", "handle.sync"];
  const changes = calls.filter((call) => call !== "lstatSync" && call !== "readdirSync");
  const written = changes.slice(changes.indexOf("chmod") - 1, changes.lastIndexOf("symlink") + 6);
  // The five files are written side by side.
  const end = 2 + 5 * file.length;
  expect(written.slice(0, 2)).toEqual(["mkdir", "chmod"]);
  expect(written.slice(2, end).toSorted()).toEqual(
    [file, file, file, file, file].flat().toSorted(),
  );
  expect(written.slice(end)).toEqual(
    [syncFolder, "rename", syncFolder, "symlink", "readlinkSync", "lock.assertHeld", "rename"]
      .concat(syncFolder)
      .flat(),
  );
});

test("a record is synced before it gets its name, and its folder after", async () => {
  const { root } = await prepared();
  const report = join(dirname(root), "report.json");
  expect((await runChild("trace-record", root, report)).stderr).toBe("");
  const file = ["open", "handle.chmod", "handle.writeFile", "handle.sync"];
  const expected = [...file, "rename", "open", "handle.sync"];
  const calls: string[] = JSON.parse(await readFile(report, "utf8"));
  expect(calls.slice(-expected.length)).toEqual(expected);
});

test("an account whose creation is killed anywhere exists with its key, or not at all", async () => {
  const { root, keys } = await prepared();
  const seen = await frozen("account", root);

  expect(seen.length).toBeGreaterThan(20);
  for (const { accounts, files } of seen) {
    expect(accounts.map((account) => account.key)).toEqual(accounts.length === 0 ? [] : [keys[0]]);
    expect(files).toEqual(tidyAccount);
  }
  expect(seen.map(({ accounts }) => accounts.length)).toContain(0);
  expect(seen.filter(({ ended, accounts }) => !ended && accounts.length === 1)).not.toEqual([]);
});

test("a rollover killed anywhere keeps the key that the CA may know", async () => {
  const { root, keys } = await prepared();
  const [oldKey, nextKey] = keys;
  const seen = await frozen("rollover", root);

  expect(seen.length).toBeGreaterThan(20);
  const states = seen.map(({ accounts }) => [accounts[0]?.key, accounts[0]?.nextKey]);
  const allowed = [
    [oldKey, undefined],
    [oldKey, nextKey],
    [nextKey, undefined],
  ];
  for (const state of states) expect(allowed).toContainEqual(state);
  for (const state of allowed) expect(states).toContainEqual(state);
  expect(states.at(-1)).toEqual([nextKey, undefined]);
});

const tidyAccount = [
  "acme.example.org_directory",
  "acme.example.org_directory/first",
  "acme.example.org_directory/first/account.json",
  "acme.example.org_directory/first/key.pem",
];

test("a pull that dies before any file system call is completed by the next one", async () => {
  const { root, next } = await prepared();
  const report = join(dirname(root), "report.json");
  const child = await runChild("freeze-pull", root, report);
  expect(child.stderr).toBe("");
  const seen: PullSeen[] = JSON.parse(await readFile(report, "utf8"));
  expect(seen.length).toBeGreaterThan(10);
  expect(seen.at(-1)?.ended).toBe(true);
  for (const { step, pair, copy, serves, problem } of seen)
    expect({ step, pair, copy, serves, problem }).toEqual({
      step,
      pair: next.meta.serial,
      copy: next.meta.serial,
      serves: 2,
    });
}, 120_000);

interface Frozen {
  ended: boolean;
  accounts: StoredAccount[];
  files: string[];
}

async function frozen(scenario: string, root: string): Promise<Frozen[]> {
  const report = join(dirname(root), "report.json");
  const child = await runChild(`freeze-${scenario}`, root, report);
  expect(child.stderr).toBe("");
  return JSON.parse(await readFile(report, "utf8"));
}

async function prepared() {
  const { store, root } = await openStore();
  const [old, next] = [await newVersion("0a"), await newVersion("0b")];
  const keys = [old.privateKey, next.privateKey];
  await writeFile(
    join(dirname(root), "material.json"),
    JSON.stringify({ versions: [old, next], keys }),
  );
  const lock = await store.lock("certificate:shop", { wait: 0, signal: never });
  await store.certificates.saveRequest(requestOf("shop"));
  await store.certificates.commit("shop", old, lock);
  await lock.release();
  return { store, root, old, next, keys };
}

/** The serial number of what `current` holds, after a look at every file as a server would open it. */
async function pairOf(store: Store, root: string): Promise<string> {
  const current = join(root, "certificates/shop/current");
  const key = createPrivateKey(await readFile(join(current, "privkey.pem")));
  const certificate = await readFile(join(current, "cert.pem"), "utf8");
  expect(new X509Certificate(certificate).checkPrivateKey(key)).toBe(true);
  expect(await readFile(join(current, "fullchain.pem"), "utf8")).toContain(certificate);
  return (await store.certificates.read("shop"))?.held?.meta.serial ?? "none";
}

async function expectTidy(root: string): Promise<void> {
  const expected =
    /^(locks|certificates(\/shop(\/(certificate\.json|current|versions(\/\d+(\/(privkey|cert|chain|fullchain)\.pem|\/meta\.json)?)?))?)?)$/;
  const paths = await tree(root);
  expect(paths.filter((path) => !expected.test(path))).toEqual([]);
  expect(await readdir(join(root, "certificates/shop/versions"))).toSatisfy(
    (versions: string[]) => versions.length <= 5,
  );
}
