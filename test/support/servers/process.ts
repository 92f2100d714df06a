/** Server processes on loopback: ports, readiness, logs for failure messages, and an end for each. */
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { find, program } from "./catalog.ts";

export interface RunningProcess {
  readonly pid: number;
  /** Everything it wrote so far. */
  readonly log: () => string;
  /** End it and wait until it is gone. */
  readonly close: () => Promise<void>;
}

export interface ProcessSettings {
  program: string;
  args: readonly string[];
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** The user that it runs as; ours when absent. */
  uid?: number | undefined;
  /** What ends it; SIGTERM when absent. */
  stop?: NodeJS.Signals;
  /** Asked until it answers true; a throw counts as not yet. */
  ready: (log: string) => Promise<boolean> | boolean;
}

/** Start a server and wait until it is ready; a server that ends or stays mute fails with its log. */
export async function startProcess(settings: ProcessSettings): Promise<RunningProcess> {
  const { file, env } = program(settings.program);
  // With setpriv the kernel ends the server together with us, however we die.
  const guard = find("setpriv");
  const [command, args] =
    guard === undefined
      ? [file, settings.args]
      : [guard, [...asUser(settings.uid), "--pdeathsig", "KILL", "--", file, ...settings.args]];
  const child = spawn(command, [...args], {
    cwd: settings.cwd,
    env: { ...process.env, ...env, ...settings.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  const keep = (chunk: Buffer) => {
    log += chunk.toString();
    if (log.length > 4_000_000) log = log.slice(-2_000_000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.on("error", (error) => keep(Buffer.from(String(error))));
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const close = async () => {
    process.removeListener("exit", kill);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(settings.stop ?? "SIGTERM");
    const timer = setTimeout(kill, 3000);
    await gone;
    clearTimeout(timer);
  };
  const fail = async (what: string) => {
    await close();
    throw new Error(`${settings.program} ${what}:\n${log}`);
  };
  for (const deadline = Date.now() + 30_000; ; await sleep(25)) {
    if (child.exitCode !== null || child.pid === undefined) return fail("ended at start");
    if (Date.now() > deadline) return fail("was not ready within 30 s");
    if (await asked(settings.ready, log)) return { pid: child.pid, log: () => log, close };
  }
}

/** Flags of setpriv. */
export function asUser(uid: number | undefined): readonly string[] {
  return uid === undefined ? [] : [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
}

async function asked(ready: ProcessSettings["ready"], log: string): Promise<boolean> {
  try {
    return await ready(log);
  } catch {
    return false;
  }
}

/** Servers that cannot take port 0 get a free one; when somebody else was quicker, three more tries. */
export async function withFreePort<T>(
  start: (port: number) => Promise<T>,
  address = "127.0.0.1",
): Promise<T> {
  for (let left = 3; ; left--) {
    try {
      return await start(await freePort(address));
    } catch (error) {
      const taken = /in use|EADDRINUSE|could not bind|address not available/i.test(String(error));
      if (!taken || left === 0) throw error;
    }
  }
}

/**
 * A port that is free for TCP and for UDP at this moment, below those that the system gives to connections: between this look
 * and its use nobody gets it by chance.
 */
export async function freePort(address = "127.0.0.1"): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000);
    if ((await isFree("tcp", port, address)) && (await isFree("udp", port, address))) return port;
  }
}

async function isFree(kind: "tcp" | "udp", port: number, address: string): Promise<boolean> {
  const socket =
    kind === "tcp"
      ? createServer().listen(port, address)
      : createSocket("udp4").bind(port, address);
  try {
    await once(socket, "listening");
  } catch {
    return false;
  }
  const closed = once(socket, "close");
  socket.close();
  await closed;
  return true;
}
