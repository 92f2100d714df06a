/** One lock file: made at most once, looked at, judged, and removed by exactly one of those who judged it stale. */
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, rm } from "node:fs/promises";

import { codeOf } from "./failures.ts";
import { discard, openNew } from "./files.ts";
import { isDead, isHolder, type Holder } from "./holder.ts";
import { parseObject, recordText } from "./records.ts";

/** A lock file as it was at one moment. */
export interface LockFile {
  /** Names this very file: its token, or inode and times where it has none. */
  key: string;
  /** Absent while the file is being written, and when it is broken. */
  holder?: Holder;
  beatAt: Date;
}

/** A holder that cannot be judged from here is given up after this time without a heartbeat. */
const silence = 60_000;
/** A lock file without content is given this time to get some. */
const grace = 2000;

/** Make the lock file and answer its open handle; undefined when there is one already. */
export async function createLockFile(
  path: string,
  holder: Holder,
  now: Date,
): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await openNew(path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return undefined;
    throw error;
  }
  try {
    await handle.writeFile(recordText(holder));
    await handle.utimes(now, now);
    return handle;
  } catch (error) {
    await handle.close();
    await discard(path);
    throw error;
  }
}

/** The lock file at `path`; undefined when there is none. */
export async function lookAt(path: string): Promise<LockFile | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { mtime, ctimeMs, ino } = await handle.stat();
    const holder = parseObject(await handle.readFile("utf8"));
    return isHolder(holder)
      ? { key: holder.token, holder, beatAt: mtime }
      : { key: `${ino}-${ctimeMs}`, beatAt: mtime };
  } finally {
    await handle.close();
  }
}

/**
 * Stale at once when the holder is known to be dead; otherwise after a minute without a heartbeat (another host, another
 * container, a process that was stopped). A clock that was set counts both ways.
 */
export async function isStale({ holder, beatAt }: LockFile, now: Date): Promise<boolean> {
  const silent = Math.abs(now.getTime() - beatAt.getTime());
  if (holder === undefined) return silent > grace;
  return silent > silence || (await isDead(holder));
}

/**
 * Remove a stale lock file; true when this call did. Of several that judged the same file stale only the one that makes
 * the claim named after that file's key may remove it, and only while it is still that file. A rename would not do: whoever
 * comes late would move away the lock of the one who came first. A claim whose maker died is evicted in the same way.
 */
export async function evict(
  path: string,
  stale: LockFile,
  claimant: Holder,
  now: Date,
  base: string = path,
): Promise<boolean> {
  const claim = `${base}${claimMark}${stale.key}`;
  const handle = await createLockFile(claim, claimant, now);
  if (handle === undefined) {
    const other = await lookAt(claim);
    if (other === undefined || !(await isStale(other, now))) return false;
    const cleared = await evict(claim, other, claimant, now, base);
    return cleared && (await evict(path, stale, claimant, now, base));
  }
  try {
    if ((await lookAt(path))?.key !== stale.key) return false;
    await rm(path, { force: true });
    return true;
  } finally {
    await handle.close();
    await rm(claim, { force: true });
  }
}

/** Between a lock's name and the key of the lock file that is claimed. */
export const claimMark = ".claim-";
