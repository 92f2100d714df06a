/**
 * One lock file: created by one process, and removed by its holder or by exactly one of those that found it stale. It is a
 * symbolic link whose target is the holder as JSON: created in one step with its content, it is never empty or half-written.
 */
import { lstat, lutimes, readFile, readlink, rm, symlink } from "node:fs/promises";
import { hostname } from "node:os";

import { codeOf } from "../../errors.ts";
import { isMissing } from "./files.ts";
import { hasStrings, parseObject } from "./records.ts";

/** Who holds a lock, written so that another process can find out whether that process is alive. */
export interface Holder {
  pid: number;
  /** Since boot, in the kernel's ticks: process ids are reused, this pair is not. Empty where there is no /proc. */
  startTime: string;
  bootId: string;
  /** Process ids mean nothing outside their namespace: a container may share host name and boot with another. */
  pidNamespace: string;
  host: string;
  /** Random, of this one lock. */
  token: string;
  what: string;
  since: string;
}

/** A lock file as it was at one moment. */
export interface LockFile {
  /** Names this very file: its token, or inode and time where it has none. */
  key: string;
  /** Absent when it is not a lock of ours. */
  holder?: Holder | undefined;
  beatAt: Date;
}

/** A holder that may be alive loses the lock after this time without a heartbeat. */
const silence = 60_000;
/** A file that is not a lock of ours is removed after this time. */
const grace = 2000;

/** Make the lock file; false when there is one already. */
export async function createLockFile(path: string, holder: Holder, now: Date): Promise<boolean> {
  try {
    await symlink(JSON.stringify(holder), path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
  // The file is new even if its time cannot be set.
  await lutimes(path, now, now).catch(() => undefined);
  return true;
}

/** The holder of `token` is alive; does nothing when the lock has another holder. */
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

/** Empty for a file that is not a link. */
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

/** This process as the holder of `what`. */
export async function thisProcess(what: string, token: string, since: Date): Promise<Holder> {
  me ??= identify();
  return { ...(await me), what: what.slice(0, 200), token, since: since.toISOString() };
}

/** Whether the holder is this process, is certainly dead, or may be alive: a process may be stopped, and one on another host cannot be seen. */
async function lifeOf(holder: Holder): Promise<"self" | "dead" | "unsure"> {
  me ??= identify();
  const here = await me;
  if (
    holder.host !== here.host ||
    holder.bootId !== here.bootId ||
    holder.pidNamespace !== here.pidNamespace
  ) {
    return "unsure";
  }
  if (!isRunning(holder.pid)) return "dead";
  const startTime = await startTimeOf(holder.pid);
  if (startTime !== undefined && startTime !== holder.startTime) return "dead";
  return holder.pid === here.pid ? "self" : "unsure";
}

/** The holder, for messages. */
export function describeHolder(holder: Holder): string {
  return `pid ${holder.pid} on ${holder.host} since ${holder.since}`;
}

function isHolder(value: unknown): value is Holder {
  return (
    hasStrings(value, ["startTime", "bootId", "pidNamespace", "host", "token", "what", "since"]) &&
    Number.isSafeInteger(value["pid"]) &&
    Number(value["pid"]) > 0 &&
    /^[0-9a-f]{1,64}$/.test(String(value["token"]))
  );
}

let me: Promise<Pick<Holder, "pid" | "startTime" | "bootId" | "pidNamespace" | "host">> | undefined;

async function identify() {
  return {
    pid: process.pid,
    startTime: (await startTimeOf(process.pid)) ?? "",
    bootId: (await orEmpty(readFile("/proc/sys/kernel/random/boot_id", "utf8"))).trim(),
    pidNamespace: await orEmpty(readlink("/proc/self/ns/pid")),
    host: hostname(),
  };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

/** Field 22 of /proc/<pid>/stat; `dead` for a process that ended and was not yet waited for; undefined when it cannot be read. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await orEmpty(readFile(`/proc/${pid}/stat`, "utf8"));
  // The second field is the program's name in parentheses, which may hold spaces and parentheses itself.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? "dead" : fields[18];
}

async function orEmpty(text: Promise<string>): Promise<string> {
  try {
    return await text;
  } catch {
    return "";
  }
}
