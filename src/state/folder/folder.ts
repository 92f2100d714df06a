import { lstatSync, statSync, type Stats } from "node:fs";
import { join, resolve } from "node:path";
import type { Clock } from "../../clock.ts";
import { codeOf } from "../../errors.ts";
import type { Log } from "../../plugin.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import type { Initialized, Store } from "../store.ts";
import { claimUnlocked } from "../unindexed.ts";
import { openAccounts } from "./accounts.ts";
import { openAnswers } from "./answers.ts";
import { openCertificates } from "./certificates.ts";
import { attempt, createFile, discard, ifPresent, makeFolder, randomName, sweep } from "./files.ts";
import { openHosts } from "./hosts.ts";
import { openJournal, openPendingHooks, openSolverState, readSolverValues } from "./journal.ts";
import { openLedger } from "./ledger.ts";
import { exclusively, isLocked, openLocks } from "./locks/locks.ts";
import type { Folder } from "./records.ts";

/**
 * The state in the folder `root`: folders 0700, files 0600. Nothing is created before the first write. A failed system call
 * becomes a `machine` Problem that names the path and the remedy.
 */
export function openFolderStore(root: string, { log, clock }: { log: Log; clock: Clock }): Store {
  const absolute = resolve(root);
  const check = ownershipCheck(absolute, log);
  const { lock: takeLock, assertHeld } = openLocks(absolute, clock);
  const lockedNow = (name: string) => isLocked(absolute, name, clock);
  let isWriting = false;
  const probeOnce = probeTogether(absolute);
  const lock: Store["lock"] = async (name, options) => {
    await check();
    isWriting = true;
    return takeLock(name, options);
  };
  const folder: Folder = {
    root: absolute,
    log,
    clock,
    check,
    mayMove: () => isWriting,
    exclusively: (name, work) => exclusively(lock, absolute, name, work),
    assertHeld,
  };
  const parts = {
    accounts: openAccounts(folder),
    certificates: openCertificates({ ...folder, log: warningOnce(log) }),
    journal: openJournal(folder),
    lock,
  };
  return {
    where: absolute,
    exists: () => check().then(() => topOf(absolute) !== undefined),
    init: () => check().then(() => makeRoot(absolute)),
    checkWritable: () => check().then(probeOnce),
    async check(options) {
      const { checkFolder } = await import("./check.ts");
      return checkFolder(folder, { ...parts, lock: takeLock }, options);
    },
    ...parts,
    isLocked: lockedNow,
    claim: claimUnlocked(lockedNow),
    // Nothing in a folder is encrypted.
    rekey: async () => 0,
    ledger: openLedger(folder),
    hosts: openHosts(folder),
    pendingHooks: openPendingHooks(folder),
    answers: openAnswers(folder),
    solverState: (solver) => openSolverState(folder, solver),
    solverValues: () => readSolverValues(folder),
  };
}

const probePrefix = ".probe-";

async function makeRoot(root: string): Promise<Initialized> {
  const isThere = (await ifPresent(() => statSync(root))) !== undefined;
  await probe(root);
  return { done: isThere ? [] : ["the folder"], grants: [] };
}

/** Of certificates that are worked on side by side one finds out for all. */
function probeTogether(root: string): () => Promise<void> {
  let probing: Promise<void> | undefined;
  return async () => {
    await (probing ??= probe(root).finally(() => {
      probing = undefined;
    }));
  };
}

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

/**
 * Returns a function that checks once: folders with keys or commands must belong to us or to root, and no other user may
 * write to them. A root that others may write to gets a warning only (containers mount such folders), since
 * the folders in it are ours alone.
 */
function ownershipCheck(root: string, log: Log): () => Promise<void> {
  let checked: Promise<void> | undefined;
  return async () => {
    checked ??= attempt("read", root, () => checkOwners(root, log));
    try {
      await checked;
    } catch (error) {
      checked = undefined;
      throw error;
    }
  };
}

const folders = [
  "accounts",
  "answers",
  "certificates",
  "pending",
  "locks",
  "solvers",
  "hooks",
  "ledger",
];
const writableByOthers = 0o002;

async function checkOwners(root: string, log: Log): Promise<void> {
  const top = topOf(root);
  if (top?.isDirectory() === false) throw notFolder(root);
  // Windows has neither owners nor modes.
  if (top === undefined || process.geteuid === undefined) return;
  if (top.isDirectory() && (top.mode & writableByOthers) !== 0) {
    log.warn(
      `Every user may write to the state folder ${root}; run: chmod o-w ${quotedWord(root)}`,
    );
  }
  const us = process.geteuid();
  await Promise.all(folders.map((name) => checkOwner(join(root, name), us)));
}

function topOf(root: string): Stats | undefined {
  try {
    return statSync(root);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function checkOwner(path: string, us: number): Promise<void> {
  for (const read of [lstatSync, statSync]) {
    const found = await ifPresent(() => read(path));
    if (found === undefined) continue;
    const { uid, mode } = found;
    if (uid !== us && uid !== 0) {
      throw unsafe(path, `belongs to user id ${uid}; acmectl runs as user id ${us}`);
    }
    if (!found.isSymbolicLink() && (mode & writableByOthers) !== 0) {
      throw unsafe(path, "is writable by every user");
    }
  }
}

function notFolder(root: string): Problem {
  return new Problem("machine", {
    detail: `The state folder ${root} is a file, not a folder.`,
    hint: "Give the right folder with --state DIR.",
    retryable: false,
  });
}

function unsafe(path: string, why: string): Problem {
  return new Problem("machine", {
    detail: `The state folder is not safe: ${path} ${why}. Other users could read or replace the keys in it.`,
    hint: `Run acmectl as the owner of the folder, or check its content and run: chown -R $(id -u) ${quotedWord(path)} && chmod -R go-w ${quotedWord(path)}`,
    retryable: false,
  });
}

/** A damaged certificate is read several times in a run, and reported once. */
function warningOnce(log: Log): Log {
  const said = new Set<string>();
  return {
    debug: (message, fields) => log.debug(message, fields),
    info: (message, fields) => log.info(message, fields),
    warn(message, fields) {
      if (!said.has(message)) log.warn(message, fields);
      said.add(message);
    },
  };
}
