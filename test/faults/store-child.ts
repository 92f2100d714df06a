/**
 * A process of the store's fault tests: `store-child.ts <task> <state folder> <argument>`.
 *
 * `die ROOT K` commits, and dies of SIGKILL right before its K-th file system call. `fail ROOT FILE` commits again and again,
 * with the K-th call failing, for every K; `freeze-<scenario> ROOT FILE` stops for ever before the K-th call, for every K;
 * both write what they saw to FILE, as `trace ROOT FILE` does of one good commit, and `trace-record` of one write of a record. `freeze-pull` does so with pulls to a host. `hold` and `contend` take the lock, `everything` writes one of each thing.
 */
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { systemClock } from "../../src/clock.ts";
import { Problem } from "../../src/problem.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import type { NewVersion, Store } from "../../src/state/store.ts";
import { requestOf } from "../state/material.ts";
import { instrument, watchFileSystem } from "./file-system-steps.ts";

const [, , task = "", root = "", argument = ""] = process.argv;
const log = { debug() {}, info() {}, warn() {} };
const open = (at = root) => openFolderStore(at, { log, clock: systemClock });
const { signal } = new AbortController();

/** What the parent has put beside the state folder. */
async function material(): Promise<{ versions: NewVersion[]; keys: string[] }> {
  return JSON.parse(await readFile(join(root, "../material.json"), "utf8"));
}

interface Scenario {
  prepare(store: Store): Promise<unknown>;
  run(store: Store): Promise<unknown>;
}
const { versions, keys } = await material();
const [oldKey = fail(), nextKey = fail()] = keys;
const directory = "https://acme.example.org/directory";
const create = (store: Store) =>
  store.accounts.create({ id: "first", directory, key: oldKey, contact: [] });

const scenarios: Record<string, Scenario> = {
  "freeze-account": {
    prepare: (store) => store.accounts.list(),
    run: create,
  },
  "freeze-rollover": {
    prepare: create,
    async run(store) {
      const [account = fail()] = await store.accounts.list();
      await store.accounts.finishRollover(await store.accounts.beginRollover(account, nextKey));
    },
  },
};

async function commit(store: Store, version: NewVersion): Promise<void> {
  const lock = await store.lock("certificate:shop", { wait: 0, signal });
  try {
    await store.certificates.updateStatus("shop", (status) => ({ ...status, failures: 0 }));
    await store.certificates.commit("shop", version, lock);
  } finally {
    await lock.release();
  }
}

/** No synchronous call can be stopped for ever, and to die before one is to die before the next change. */
const withoutReads = { withReads: false };

async function dieAtStep(at: number): Promise<void> {
  await instrument();
  watchFileSystem((step) => {
    if (step === at) process.kill(process.pid, "SIGKILL");
  }, withoutReads);
  await commit(open(), versions[1] ?? fail());
}

/** A promise that never settles runs no `finally` either: to the disk it is death, and it costs no process. */
async function freezeAtEveryStep(scenario: Scenario): Promise<void> {
  const seen = [];
  await instrument();
  for (let at = 0, ended = false; !ended; at++) {
    const folder = join(root, `${at}`);
    await mkdir(folder);
    await scenario.prepare(open(folder));
    ended = await new Promise<boolean>((resolve, reject) => {
      watchFileSystem((step) => {
        if (step !== at) return undefined;
        resolve(false);
        return new Promise<void>(() => undefined);
      }, withoutReads);
      scenario.run(open(folder)).then(() => resolve(true), reject);
    });
    watchFileSystem(() => undefined);
    // The next run, elsewhere since in this process the dead one's turn never ends.
    await rm(join(folder, "locks"), { recursive: true, force: true });
    await rename(folder, `${folder}-next`);
    const accounts = await open(`${folder}-next`).accounts.list();
    await create(open(`${folder}-next`));
    const files = await readdir(join(`${folder}-next`, "accounts"), { recursive: true });
    seen.push({ ended, accounts, files: files.toSorted() });
  }
  await writeFile(argument, JSON.stringify(seen));
}

async function failAtEveryStep(code: string): Promise<void> {
  const seen = [];
  await instrument();
  for (let at = 0, ended = false; !ended; at++) {
    const store = open();
    let failed = "";
    const stop = watchFileSystem((step, call) => {
      if (step !== at) return;
      failed = call;
      throw Object.assign(new Error(`${code}: injected, ${call}`), { errno: -1, code });
    });
    const error = await commit(store, versions[at % 2] ?? fail()).then(
      () => undefined,
      (error: unknown) => error,
    );
    ended = stop() <= at;
    const held = (await store.certificates.read("shop"))?.held;
    seen.push({
      at,
      failed,
      committed: held?.version,
      serial: held?.meta.serial,
      wanted: versions[at % 2]?.meta.serial,
      ...(error === undefined ? {} : outcomeOf(error)),
    });
    // A lock that could not be released would be free once its holder is dead; here that is this process.
    await rm(join(root, "locks"), { recursive: true, force: true });
  }
  await writeFile(argument, JSON.stringify(seen));
}

function outcomeOf(error: unknown) {
  return Problem.is(error)
    ? { exitCode: error.exitCode, message: error.message }
    : { exitCode: 1, message: error instanceof Error ? error.stack : "not even an Error" };
}

/** Take the lock, say so, and keep it until killed. */
async function hold(): Promise<void> {
  await open().lock("certificate:shop", { wait: 60_000, signal });
  console.log("held");
  setInterval(() => undefined, 1000);
}

/** Take and release the lock `argument` times; write to a common file whenever it begins and ends to hold it. */
async function contend(): Promise<void> {
  const store = open();
  const file = join(root, "../held.log");
  for (let turn = 0; turn < Number(argument); turn++) {
    const lock = await store.lock("certificate:shop", { wait: 60_000, signal });
    await appendFile(file, `+${process.pid}\n`);
    await lock.assertHeld();
    await appendFile(file, `-${process.pid}\n`);
    await lock.release();
  }
}

function fail(): never {
  throw new Error("the parent has put nothing here");
}

/** One of each thing that the store writes. */
async function everything(): Promise<void> {
  const store = open();
  await create(store);
  await store.certificates.saveRequest(requestOf("shop"));
  await commit(store, versions[0] ?? fail());
  await store.solverState("acme-dns").set("example.com", 1);
  await store.journal.write({
    name: "shop",
    directory,
    accountId: "first",
    requestHash: "abc",
    startedAt: "2026-03-01T00:00:00.000Z",
    presented: [],
  });
}

/** Commit once, and write which calls were made to the file `argument`. */
async function trace(): Promise<void> {
  const store = open();
  const seen: string[] = [];
  const lock = {
    name: "certificate:shop",
    assertHeld: async () => void seen.push("lock.assertHeld"),
    release: async () => undefined,
  };
  await instrument();
  watchFileSystem((_, call) => void seen.push(call));
  await store.certificates.commit("shop", versions[1] ?? fail(), lock);
  watchFileSystem(() => undefined);
  await writeFile(argument, JSON.stringify(seen));
}

/** Write one record, and write which calls were made to the file `argument`. */
async function traceRecord(): Promise<void> {
  const { journal } = open();
  const record = { name: "shop", directory, accountId: "first", requestHash: "abc" };
  const write = (startedAt: string) => journal.write({ ...record, startedAt, presented: [] });
  await write("2026-03-01T00:00:00.000Z");
  const seen: string[] = [];
  await instrument();
  watchFileSystem((_, call) => void seen.push(call), { withReads: false });
  await write("2026-03-02T00:00:00.000Z");
  watchFileSystem(() => undefined);
  await writeFile(argument, JSON.stringify(seen));
}

const scenario = scenarios[task];
if (task === "hold") await hold();
else if (task === "everything") await everything();
else if (task === "trace") await trace();
else if (task === "trace-record") await traceRecord();
else if (task === "contend") await contend();
else if (task === "fail") await failAtEveryStep(process.env["FAIL_WITH"] ?? "EIO");
else if (task === "die") await dieAtStep(Number(argument));
else if (task === "freeze-pull") {
  const { freezePulls } = await import("./pull-steps.ts");
  await writeFile(argument, JSON.stringify(await freezePulls(root, versions)));
} else await freezeAtEveryStep(scenario ?? fail());
