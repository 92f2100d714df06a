/**
 * Locks between processes, as files: Node has no flock. They avoid duplicate orders; safety does not depend on them, since a
 * commit is one rename.
 */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../../../clock.ts";
import { Problem } from "../../../problem.ts";
import { attempt, discard, entriesOf, makeFolder, sweep } from "../files.ts";
import {
  beat,
  claimMark,
  createLockFile,
  describeHolder,
  isThisProcess,
  evict,
  heartbeat,
  isAbandoned,
  isLive,
  isStale,
  lookAt,
  thisProcess,
  type LockFile,
} from "./lock-file.ts";
import { removeNewLeftovers } from "../leftovers.ts";
import { readableName } from "../names.ts";
import type { Lock, Store } from "../../store.ts";

interface Locks extends Pick<Store, "lock"> {
  /** Rejects if one of these was taken here, is not released, and has another holder. */
  readonly assertHeld: (...names: readonly string[]) => Promise<void>;
}

/** Takes locks as files in `locks/`. The first call removes what killed runs left, for no later run may ask for it. */
export function openLocks(root: string, clock: Clock): Locks {
  const folder = join(root, "locks");
  const taken = new Map<string, Lock>();
  let swept: Promise<void> | undefined;
  return {
    async lock(name, options) {
      const path = pathOf(root, name);
      const token = randomBytes(16).toString("hex");
      await attempt("lock", path, async () => {
        await makeFolder(folder);
        await (swept ??= sweepAbandoned(folder, clock).then(() => removeNewLeftovers(root, clock)));
        await acquire({ name, path, token, clock, ...options });
      });
      const lock = heldLock({ name, path, token, clock });
      taken.set(name, lock);
      const release = async () => {
        if (taken.get(name) === lock) taken.delete(name);
        await lock.release();
      };
      return { ...lock, release };
    },
    async assertHeld(...names) {
      for (const name of names) await taken.get(name)?.assertHeld();
    },
  };
}

/** Whether a run that lives has the lock. */
export async function isLocked(root: string, name: string, clock: Clock): Promise<boolean> {
  const found = await lookAt(pathOf(root, name));
  return found !== undefined && isLive(found, clock.now());
}

function pathOf(root: string, name: string): string {
  return join(root, "locks", `${readableName(name)}.lock`);
}

/** Run `work` under a short lock of its own; within this process, work of one name waits in a queue. */
export function exclusively<T>(
  lock: Store["lock"],
  root: string,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  return inTurn(`${root}\0${name}`, async () => {
    const held = await lock(name, { wait: 30_000, signal: new AbortController().signal });
    try {
      return await work();
    } finally {
      await held.release();
    }
  });
}

/** Run the work of one key one after the other, in the order given, within this process. */
export async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(key) ?? Promise.resolve();
  const mine = before.then(work);
  const settled = Promise.allSettled([mine]);
  turns.set(key, settled);
  try {
    return await mine;
  } finally {
    if (turns.get(key) === settled) turns.delete(key);
  }
}

const turns = new Map<string, Promise<unknown>>();

/** Locks of processes that have ended, and claims to such locks. */
async function sweepAbandoned(folder: string, clock: Clock): Promise<void> {
  const signal = new AbortController().signal;
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry);
    const found = await lookAt(path);
    if (found === undefined || !(await isAbandoned(found, clock.now()))) continue;
    const claimant = await thisProcess("sweep", randomBytes(16).toString("hex"), clock.now());
    const [base = path] = path.split(claimMark);
    await evict(path, found, { claimant, clock, signal }, base);
  }
}

interface Held {
  name: string;
  path: string;
  token: string;
  clock: Clock;
}

interface Wanted extends Held {
  wait: number;
  signal: AbortSignal;
  onWait?: ((holder: string) => void) | undefined;
}

const longestPause = 200;

/** Of the locks that this process holds, by path: resolves when one is released. */
const releases = new Map<string, Promise<void>>();

async function acquire(wanted: Wanted): Promise<void> {
  const { clock, path, signal } = wanted;
  const deadline = clock.monotonic() + wanted.wait;
  let pause = 5;
  let reported: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    if (await create(wanted)) return;
    const other = await lookAt(path);
    if (other === undefined || (await evicted(wanted, other))) continue;
    const left = deadline - clock.monotonic();
    if (left <= 0) throw lockedProblem(wanted, other);
    if (reported !== other.key) wanted.onWait?.(await waitedFor(other));
    reported = other.key;
    // What this process holds is free as soon as it says so; of others only looking tells.
    const slept = clock.sleep(Math.min(pause, left), signal);
    await Promise.race([slept, releases.get(path) ?? slept]);
    pause = Math.min(pause * 2, longestPause);
  }
}

async function create({ name, path, token, clock }: Wanted): Promise<boolean> {
  const now = clock.now();
  if (!(await createLockFile(path, await thisProcess(name, token, now), now))) return false;
  try {
    // Claims that killed runs left are void: the lock file they name is gone.
    await sweep(dirname(path), `${basename(path)}${claimMark}`);
  } catch (error) {
    await discard(path);
    throw error;
  }
  return true;
}

/** True when a stale lock was removed, so that it can be taken. */
async function evicted(wanted: Wanted, other: LockFile): Promise<boolean> {
  const { path, token, clock, name, signal } = wanted;
  if (!(await isStale(path, other, clock, signal))) return false;
  const claimant = await thisProcess(name, token, clock.now());
  return evict(path, other, { claimant, clock, signal });
}

function heldLock({ name, path, token, clock }: Held): Lock {
  const timer = setInterval(() => {
    beat(path, token, clock.now()).catch(() => undefined);
  }, heartbeat).unref();
  let released: Promise<void> | undefined;
  const freed = Promise.withResolvers<void>();
  releases.set(path, freed.promise);

  async function release(): Promise<void> {
    clearInterval(timer);
    if ((await lookAt(path))?.key !== token) return;
    await rm(path, { force: true });
  }

  return {
    name,
    async assertHeld() {
      const found = await attempt("read", path, () => lookAt(path));
      if (released !== undefined || found?.key !== token) throw lostProblem(name, found);
    },
    release: () =>
      (released ??= attempt("release the lock", path, release).finally(() => {
        if (releases.get(path) === freed.promise) releases.delete(path);
        freed.resolve();
      })),
  };
}

/** Two certificates of one run may need the same lock. */
async function waitedFor(other: LockFile): Promise<string> {
  const isOwn = other.holder !== undefined && (await isThisProcess(other.holder));
  return isOwn ? "another task of this run" : holderOf(other);
}

function holderOf({ holder }: LockFile): string {
  return holder === undefined ? "an unknown process" : describeHolder(holder);
}

function lockedProblem({ name, path, wait }: Wanted, other: LockFile): Problem {
  const waited = wait > 0 ? ` Waited ${Math.round(wait / 1000)} s.` : "";
  return new Problem("locked", {
    detail: `Another acmectl run (${holderOf(other)}) holds the lock "${name}" (${path}).${waited}`,
    hint: "Wait until it ends and run again. If it hangs, stop that process: its lock is then free.",
  });
}

function lostProblem(name: string, other: LockFile | undefined): Problem {
  const now = other === undefined ? "no process holds it" : `${holderOf(other)} holds it`;
  return new Problem("locked", {
    detail: `This run lost the lock "${name}": ${now} now. Nothing was changed.`,
    hint: "Run again. This run was stopped or too slow for over a minute, so another run took the lock.",
  });
}
