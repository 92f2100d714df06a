/** Who holds a lock, written so that another process can tell whether that one still lives. */
import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";

import { codeOf } from "./failures.ts";
import { hasStrings, isObject } from "./records.ts";

export interface Holder {
  pid: number;
  /** Since boot, in the kernel's ticks: a process id may be given out again, this pair is not. Empty where there is no /proc. */
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

/** This process as the holder of `what`. */
export async function thisProcess(what: string, token: string, since: Date): Promise<Holder> {
  me ??= identify();
  return { ...(await me), what: what.slice(0, 200), token, since: since.toISOString() };
}

/** Whether the holder is this process, is certainly gone, or may live: a running process may be stopped, another host's is out of sight. */
export async function lifeOf(holder: Holder): Promise<"self" | "dead" | "unsure"> {
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

/** A person's answer to "who holds it?". */
export function describeHolder(holder: Holder): string {
  return `pid ${holder.pid} on ${holder.host} since ${holder.since}`;
}

/** Narrow what was read from a lock file. */
export function isHolder(value: unknown): value is Holder {
  return (
    isObject(value) &&
    Number.isSafeInteger(value["pid"]) &&
    Number(value["pid"]) > 0 &&
    hasStrings(value, ["startTime", "bootId", "pidNamespace", "host", "token", "what", "since"]) &&
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
