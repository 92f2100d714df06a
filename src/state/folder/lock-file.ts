/**
 * One lock file: made at most once, looked at, judged, and removed by exactly one of those who judged it stale. It is a
 * symbolic link whose target is the holder as JSON: made in one step with its content, it is never seen empty or half-written.
 */
import { lstat, lutimes, readlink, rm, symlink } from "node:fs/promises";

import { codeOf, isMissing } from "./failures.ts";
import { isHolder, lifeOf, type Holder } from "./holder.ts";
import { parseObject } from "./records.ts";

/** A lock file as it was at one moment. */
export interface LockFile {
  /** Names this very file: its token, or inode and time where it has none. */
  key: string;
  /** Absent when something else stands there. */
  holder?: Holder;
  beatAt: Date;
}

/** A holder that cannot be judged from here is given up after this time without a heartbeat. */
const silence = 60_000;
/** What is no lock of ours is given this time to go away. */
const grace = 2000;

/** Make the lock file; false when there is one already. */
export async function createLockFile(path: string, holder: Holder, now: Date): Promise<boolean> {
  try {
    await symlink(JSON.stringify(holder), path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
  // A file that is swept away or cannot be touched is new all the same.
  await lutimes(path, now, now).catch(() => undefined);
  return true;
}

/** Say that the holder of `token` lives; nothing when the lock is not its any more. */
export async function beat(path: string, token: string, now: Date): Promise<void> {
  if ((await lookAt(path))?.key === token) await lutimes(path, now, now);
}

/** The lock file at `path`; undefined when there is none. */
export async function lookAt(path: string): Promise<LockFile | undefined> {
  try {
    const content = await contentOf(path);
    const { mtime, ctimeMs, ino } = await lstat(path);
    const holder = parseObject(content);
    return isHolder(holder)
      ? { key: holder.token, holder, beatAt: mtime }
      : { key: `${ino}-${ctimeMs}`, beatAt: mtime };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Nothing for a file that is no link: not ours, or a backup's. */
async function contentOf(path: string): Promise<string> {
  try {
    return await readlink(path);
  } catch (error) {
    if (codeOf(error) === "EINVAL") return "";
    throw error;
  }
}

/**
 * Never stale while this very process holds it, and at once when the holder is known to be dead; otherwise after a minute
 * without a heartbeat (another host, another container, a process that was stopped). A clock that was set counts both ways.
 */
export async function isStale({ holder, beatAt }: LockFile, now: Date): Promise<boolean> {
  const silent = Math.abs(now.getTime() - beatAt.getTime());
  if (holder === undefined) return silent > grace;
  const life = await lifeOf(holder);
  return life === "dead" || (life === "unsure" && silent > silence);
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
  if (!(await createLockFile(claim, claimant, now))) {
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
    await rm(claim, { force: true });
  }
}

/** Between a lock's name and the key of the lock file that is claimed. */
export const claimMark = ".claim-";
