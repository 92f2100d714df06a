/**
 * `crash-child.ts ROOT FILE`: deploys copies with a death before the K-th file system call, for every K, each followed by
 * the next run; writes to FILE what was seen after both.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { deployCertificate } from "../../src/deploy/deploy.ts";
import { openOncePerRun } from "../../src/deploy/tools.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import type { Store } from "../../src/state/store.ts";
import { instrument, watchFileSystem } from "../faults/file-system-steps.ts";
import { newVersion, requestOf } from "../state/material.ts";

const [, , root = "", report = ""] = process.argv;
const log = { debug() {}, info() {}, warn() {} };
const { signal } = new AbortController();
const open = (folder: string) =>
  openFolderStore(join(folder, "state"), { log, clock: systemClock });
const versions = [await newVersion("1"), await newVersion("2")];

async function commit(store: Store, index: number): Promise<void> {
  const version = versions[index];
  if (version === undefined) throw new Error("there is no such version");
  const lock = await store.lock("certificate:shop", { wait: 0, signal });
  await store.certificates.commit("shop", version, lock);
  await lock.release();
}

function deploy(store: Store) {
  return deployCertificate(
    { name: "shop" },
    { all: false },
    {
      store,
      log,
      clock: systemClock,
      signal,
      env: {},
      cwd: root,
      mask: () => undefined,
      once: openOncePerRun(),
    },
  );
}

let copies = "";
function requestWith() {
  const copy = { key: join(copies, "key.pem"), fullchain: join(copies, "fullchain.pem") };
  return { ...requestOf("shop"), hooks: { deploy: [{ copy }] } };
}

/** Which version each copy is of; a text that is neither tells itself. */
async function copied(): Promise<readonly string[]> {
  const key = await readFile(join(copies, "key.pem"), "utf8");
  const fullchain = await readFile(join(copies, "fullchain.pem"), "utf8");
  const which = (text: string, of: (version: (typeof versions)[number]) => string) =>
    String(versions.findIndex((version) => of(version).trim() === text.trim()) + 1 || text);
  return [
    which(key, ({ privateKey }) => privateKey),
    which(fullchain, ({ certificate, chain }) => `${certificate}\n${chain}`),
  ];
}

const seen = [];
await instrument();
for (let at = 0, ended = false; !ended; at++) {
  const folder = join(root, `${at}`);
  copies = join(root, `copies-${at}`);
  await mkdir(folder);
  await mkdir(copies);
  const store = open(folder);
  await store.certificates.saveRequest(requestWith());
  await commit(store, 0);
  await deploy(store);
  await commit(store, 1);
  // A promise that never settles runs no `finally` either: to the disk it is death.
  ended = await new Promise<boolean>((resolve, reject) => {
    watchFileSystem(
      (step) => {
        if (step < at) return undefined;
        resolve(false);
        return new Promise<void>(() => undefined);
      },
      { withReads: false },
    );
    deploy(store).then(() => resolve(true), reject);
  });
  watchFileSystem(() => undefined);
  const after = await copied();
  // The next run, elsewhere since in this process the dead one's turn never ends.
  // Calls that the dead one had under way may still end, so that a folder just emptied is not empty.
  const locks = join(folder, "state", "locks");
  await rm(locks, { recursive: true, force: true, maxRetries: 5, retryDelay: 10 });
  await rename(folder, `${folder}-next`);
  const next = open(`${folder}-next`);
  const problem = await deploy(next);
  const status = (await next.certificates.read("shop"))?.status;
  seen.push({
    after,
    next: await copied(),
    problem: problem?.message,
    states: Object.values(status?.deploy ?? {}).map(({ state, version }) => `${state} ${version}`),
    files: (await readdir(copies)).toSorted(),
  });
}
await writeFile(report, JSON.stringify(seen));
