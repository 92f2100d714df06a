/** Pulls to a host, each stopped for ever before one of its file system calls, and the next pull after it. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { cp, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { emptyConfig } from "../../src/config/assemble.ts";
import { pullCertificates } from "../../src/pull/pull.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import { openLocalFiles } from "../../src/state/shared/local-files.ts";
import type { NewVersion, Store } from "../../src/state/store.ts";
import { contextOf } from "../support/context.ts";
import { strides } from "../support/counted.ts";
import { requestOf } from "../state/material.ts";
import { instrument, watchFileSystem } from "./file-system-steps.ts";

export interface PullSeen {
  readonly step: number;
  readonly ended: boolean;
  /** Serial numbers of what servers read, and of the copy that the deploy step makes. */
  readonly pair: string;
  readonly copy: string;
  readonly serves?: number | undefined;
  readonly problem?: string | undefined;
}

const log = { debug() {}, info() {}, warn() {} };
const { signal } = new AbortController();

/** The host in `folder` has the first version, and the shared state the second. */
export async function freezePulls(
  folder: string,
  [first, second]: readonly NewVersion[],
): Promise<readonly PullSeen[]> {
  const start = join(folder, "start");
  await mkdir(start);
  await commit(start, first);
  await pull(start, first);
  await commit(start, second);
  const seen: PullSeen[] = [];
  await instrument();
  const stride = strides("pull");
  for (let step = 0, ended = false; !ended; step += stride()) {
    const host = join(folder, `${step}`);
    await cp(start, host, { recursive: true, verbatimSymlinks: true });
    ended = await new Promise<boolean>((resolve, reject) => {
      const freeze = (at: number) => {
        if (at !== step) return undefined;
        resolve(false);
        return new Promise<void>(() => undefined);
      };
      watchFileSystem(freeze, { withReads: false });
      pull(host, second).then(() => resolve(true), reject);
    });
    watchFileSystem(() => undefined);
    // The next run, elsewhere since in this process the dead one's turn never ends.
    for (const state of ["local", "shared"])
      await rm(join(host, state, "locks"), { recursive: true, force: true });
    await rename(host, `${host}-next`);
    seen.push({ step, ended, ...(await converged(`${host}-next`, second)) });
  }
  return seen;
}

async function converged(host: string, version: NewVersion | undefined) {
  const [pulled] = await pull(host, version);
  const current = join(host, "local/certificates/shop/current");
  const key = createPrivateKey(await readFile(join(current, "privkey.pem")));
  const leaf = new X509Certificate(await readFile(join(current, "cert.pem")));
  const stored = await openFolderStore(join(host, "shared"), {
    log,
    clock: systemClock,
  }).certificates.read("shop");
  return {
    pair: leaf.checkPrivateKey(key) ? leaf.serialNumber.toLowerCase() : "mixed",
    copy: new X509Certificate(await readFile(join(host, "copy.pem"))).serialNumber.toLowerCase(),
    serves: stored?.hosts?.[0]?.serves?.version,
    problem: pulled?.problem?.message,
  };
}

async function commit(host: string, version: NewVersion | undefined): Promise<void> {
  const store = openFolderStore(join(host, "shared"), { log, clock: systemClock });
  const lock = await store.lock("certificate:shop", { wait: 0, signal });
  await store.certificates.saveRequest(requestOf("shop"));
  if (version !== undefined) await store.certificates.commit("shop", version, lock);
  await lock.release();
}

/** From a shared state that is a folder, for whose files a host has another one. */
async function pull(host: string, version: NewVersion | undefined) {
  const files = join(host, "local");
  const clock = systemClock;
  const shared = openFolderStore(join(host, "shared"), { log, clock });
  const readVersion = async () => {
    const held = (await shared.certificates.read("shop"))?.held;
    if (held === undefined || version === undefined) return undefined;
    const { certificate, chain, privateKey } = version;
    return {
      number: held.version,
      meta: held.meta,
      certificate,
      chain,
      privateKey: () => privateKey,
    };
  };
  const local = openLocalFiles({ files, log, clock, signal, readVersion });
  const store: Store = {
    ...shared,
    certificates: {
      ...shared.certificates,
      files: async (name) => local.write(await shared.certificates.read(name)),
    },
  };
  const deploy = [{ copy: { fullchain: join(host, "copy.pem") } }];
  const context = contextOf({
    clock,
    statePlace: async () => "postgres://db.example.com/acmectl",
    stateFolder: async () => files,
    store: async () => store,
    storeAt: async (place) => openFolderStore(place, { log, clock }),
    config: async () => ({ ...emptyConfig("/none.yaml"), pull: { web: { deploy } } }),
  });
  return pullCertificates({ names: [], host: "web1" }, context);
}
