/**
 * One lock file: created by one process, and removed by its holder or by exactly one of those that found it stale. It is a
 * symbolic link whose target is the holder as JSON: created in one step with its content, it is never empty or half-written.
 */
import { lstatSync, readlinkSync } from "node:fs";
import { lutimes, readFile, readlink, rm, symlink } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import type { Clock } from "../../../clock.ts";
import { dateOf } from "../../../dates.ts";
import { codeOf } from "../../../errors.ts";
import { isRunning } from "../../../process.ts";
import { ifPresent } from "../files.ts";
import { hasStrings, parseObject } from "../records.ts";

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

/** Between two heartbeats of a holder. Milliseconds, as below. */
export const heartbeat = 5000;
/** A holder that cannot be seen loses the lock after this time without a heartbeat. */
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
  return ifPresent(() => {
    const holder = parseObject(contentOf(path));
    const { mtime, ctimeMs, ino } = lstatSync(path);
    return isHolder(holder)
      ? { key: holder.token, holder, beatAt: mtime }
      : { key: `${ino}-${ctimeMs}`, beatAt: mtime };
  });
}

/** Empty for a file that is not a link. */
function contentOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (codeOf(error) === "EINVAL") return "";
    throw error;
  }
}

/**
 * Stale when its holder is dead. A living process on this machine keeps its lock, whatever the clock says. A holder that
 * cannot be seen (another host or container, a stopped process) loses it after a minute without a heartbeat; since
 * the clocks may differ or have been set, three heartbeats have to be missing while we watch.
 */
export async function isStale(
  path: string,
  { key, holder, beatAt }: LockFile,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const silent = Math.abs(clock.now().getTime() - beatAt.getTime());
  if (holder === undefined) return silent > grace;
  const life = await lifeOf(holder);
  if (life !== "unsure") return life === "dead";
  if (silent <= silence) return false;
  await clock.sleep(3 * heartbeat, signal);
  const later = await lookAt(path);
  return later?.key === key && later.beatAt.getTime() === beatAt.getTime();
}

/**
 * True when its holder has certainly ended, or cannot be seen and has been silent for an hour, as every lock of before a loss of
 * power. The clocks of hosts that share a folder differ by less.
 */
export async function isAbandoned({ holder, beatAt }: LockFile, now: Date): Promise<boolean> {
  if (holder === undefined) return false;
  const life = await lifeOf(holder);
  if (life !== "unsure") return life === "dead";
  return Math.abs(now.getTime() - beatAt.getTime()) > 60 * silence;
}

/** True when it can be seen that the process has ended: one of this host and container. */
export async function hasEnded(holder: Holder | undefined): Promise<boolean> {
  return holder !== undefined && (await lifeOf(holder)) === "dead";
}

/** True unless its holder has ended, or cannot be seen and has been silent for a minute. */
export async function isLive({ holder, beatAt }: LockFile, now: Date): Promise<boolean> {
  if (holder === undefined) return false;
  const life = await lifeOf(holder);
  if (life !== "unsure") return life === "alive";
  return Math.abs(now.getTime() - beatAt.getTime()) <= silence;
}

interface Eviction {
  readonly claimant: Holder;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Remove a stale lock file; true when this call did. Of several that found the same file stale only the one that creates the
 * claim named after that file's key may remove it, and only while it is still that file. A rename would not do: a late one
 * would move away the lock of the first. A claim whose maker died is evicted in the same way.
 */
export async function evict(
  path: string,
  stale: LockFile,
  eviction: Eviction,
  base: string = path,
): Promise<boolean> {
  const { claimant, clock, signal } = eviction;
  const claim = `${base}${claimMark}${stale.key}`;
  if (!(await createLockFile(claim, claimant, clock.now()))) {
    const other = await lookAt(claim);
    if (other === undefined || !(await isStale(claim, other, clock, signal))) return false;
    const cleared = await evict(claim, other, eviction, base);
    return cleared && (await evict(path, stale, eviction, base));
  }
  try {
    if ((await lookAt(path))?.key !== stale.key) return false;
    // It is the trace of a killed run, which may have left more.
    await rm(join(dirname(path), "..", sweptFile), { force: true });
    await rm(path, { force: true });
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

/** In the state folder. Its time is that of the last look through all folders that left no temporary file. */
export const sweptFile = ".swept";

/** Between a lock's name and the key of the lock file that is claimed. */
export const claimMark = ".claim-";

/** This process as the holder of `what`. */
export async function thisProcess(what: string, token: string, since: Date): Promise<Holder> {
  return { ...(await identity()), what: what.slice(0, 200), token, since: since.toISOString() };
}

/** Whether the holder is alive, certainly dead, or cannot be seen: it is stopped, or on another host or in another container. */
async function lifeOf(holder: Holder): Promise<"alive" | "dead" | "unsure"> {
  const here = await identity();
  if (!(["host", "bootId", "pidNamespace"] as const).every((one) => holder[one] === here[one]))
    return "unsure";
  if (!isRunning(holder.pid)) return "dead";
  const found = await processOf(holder.pid);
  if (found === undefined) return holder.pid === here.pid ? "alive" : "unsure";
  if (found.startTime !== holder.startTime || "ZX".includes(found.state)) return "dead";
  return found.state.toUpperCase() === "T" ? "unsure" : "alive";
}

export async function isThisProcess(holder: Holder): Promise<boolean> {
  const here = await identity();
  const facts = ["pid", "startTime", "host", "pidNamespace"] as const;
  return facts.every((one) => holder[one] === here[one]);
}

/** The holder, for messages. */
export function describeHolder(holder: Holder): string {
  const since = Number.isNaN(Date.parse(holder.since)) ? holder.since : dateOf(holder.since);
  return `pid ${holder.pid} on ${holder.host} since ${since}`;
}

export function isHolder(value: unknown): value is Holder {
  return (
    hasStrings(value, ["startTime", "bootId", "pidNamespace", "host", "token", "what", "since"]) &&
    Number.isSafeInteger(value["pid"]) &&
    Number(value["pid"]) > 0 &&
    /^[0-9a-f]{1,64}$/.test(String(value["token"]))
  );
}

type Identity = Pick<Holder, "pid" | "startTime" | "bootId" | "pidNamespace" | "host">;

let me: Promise<Identity> | undefined;

function identity(): Promise<Identity> {
  return (me ??= identify());
}

async function identify(): Promise<Identity> {
  return {
    pid: process.pid,
    startTime: (await processOf(process.pid))?.startTime ?? "",
    bootId: (await orEmpty(readFile("/proc/sys/kernel/random/boot_id", "utf8"))).trim(),
    pidNamespace: await orEmpty(readlink("/proc/self/ns/pid")),
    host: hostname(),
  };
}

/** From /proc/<pid>/stat: the state (Z and X: ended; T: stopped) and field 22, the start time; undefined when it cannot be read. */
async function processOf(pid: number): Promise<{ state: string; startTime: string } | undefined> {
  const stat = await orEmpty(readFile(`/proc/${pid}/stat`, "utf8"));
  // The second field is the program's name in parentheses, which may have spaces and parentheses itself.
  const [state = "", ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const startTime = fields[18];
  return startTime === undefined ? undefined : { state, startTime };
}

async function orEmpty(text: Promise<string>): Promise<string> {
  try {
    return await text;
  } catch {
    return "";
  }
}
