import { join, resolve } from "node:path";

import type { Clock } from "../../clock.ts";
import type { Log } from "../../plugin.ts";
import { openAccounts } from "./accounts.ts";
import { openCertificates } from "./certificates.ts";
import { attempt } from "./failures.ts";
import { createFile, discard, makeFolder, randomName, sweep } from "./files.ts";
import { openJournal } from "./journal.ts";
import { exclusively, openLocks } from "./locks.ts";
import { ownershipCheck } from "./ownership.ts";
import { openSolverState } from "./solver-state.ts";
import type { Store } from "../store.ts";

/** What every part of the folder store works with. */
export interface Folder {
  /** Absolute. */
  readonly root: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Rejects when somebody else could have planted the state. Comes before each first use. */
  readonly check: () => Promise<void>;
  /** Run under a short lock of this name, beside other calls and other processes. */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<T>;
}

/**
 * The store of DESIGN §8 in the folder `root`: folders 0700, files 0600. Nothing is made on disk before something is
 * written. What the machine refuses is a `machine` Problem that names path and remedy.
 */
export function openFolderStore(root: string, { log, clock }: { log: Log; clock: Clock }): Store {
  const absolute = resolve(root);
  const check = ownershipCheck(absolute, log);
  const takeLock = openLocks(join(absolute, "locks"), clock);
  const lock: Store["lock"] = async (name, options) => {
    await check();
    return takeLock(name, options);
  };
  const folder: Folder = {
    root: absolute,
    log,
    clock,
    check,
    exclusively: (name, work) => exclusively(lock, absolute, name, work),
  };
  return {
    root: absolute,
    async checkWritable() {
      await check();
      await probe(absolute);
    },
    accounts: openAccounts(folder),
    certificates: openCertificates(folder),
    journal: openJournal(folder),
    solverState: (solver) => openSolverState(folder, solver),
    lock,
  };
}

const probePrefix = ".probe-";

async function probe(root: string): Promise<void> {
  await attempt("write to", root, async () => {
    await makeFolder(root);
    await sweep(root, probePrefix);
    const path = join(root, probePrefix + randomName());
    try {
      await createFile(path, new Uint8Array(64 * 1024));
    } finally {
      await discard(path);
    }
  });
}
