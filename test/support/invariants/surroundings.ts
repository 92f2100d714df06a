/**
 * What a run inside this process does outside of it: programs it starts, servers it opens, hosts it connects to. Each call
 * of `surrounded` sees its own, also while others run at the same time.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { readdirSync, readFileSync } from "node:fs";
import { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { Server, Socket } from "node:net";

export interface Surroundings {
  readonly children: readonly Child[];
  readonly servers: readonly Server[];
  readonly listened: ReadonlySet<number>;
  /** `127.0.0.1:443` */
  readonly contacted: ReadonlySet<string>;
}

interface Child {
  readonly process: ChildProcess;
  readonly argv: readonly string[];
  /** `NAME=value` */
  readonly env: readonly string[];
}

interface Seen {
  readonly children: Child[];
  readonly servers: Server[];
  readonly listened: Set<number>;
  readonly contacted: Set<string>;
}

const seen = new AsyncLocalStorage<Seen>();

/** Do `work`, and answer what it did to the machine. */
export async function surrounded<T>(work: () => Promise<T>): Promise<readonly [T, Surroundings]> {
  watch();
  const surroundings: Seen = {
    children: [],
    servers: [],
    listened: new Set(),
    contacted: new Set(),
  };
  return [await seen.run(surroundings, work), surroundings];
}

/** The words of programs that were started after the process `pid`, live, and have heard of one of these paths. */
export function programsAfter(pid: number, paths: readonly string[]): readonly string[] {
  return numbersIn("/proc").flatMap((other) => {
    if (other <= pid) return [];
    const [words, env] = ["cmdline", "environ"].map((file) => textIn(`/proc/${other}/${file}`));
    const isOurs = paths.some((path) => words?.includes(path) === true || env?.includes(path));
    return words && isOurs ? [words.replaceAll("\0", " ").trim()] : [];
  });
}

/** Nothing where the system has no such folder. */
function numbersIn(folder: string): readonly number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function textIn(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

let isWatching = false;

function watch(): void {
  if (isWatching) return;
  isWatching = true;
  watchMethod(ChildProcess.prototype, "spawn", (process: ChildProcess, [options]) => {
    const { args = [], envPairs = [] } = options as { args?: string[]; envPairs?: string[] };
    seen.getStore()?.children.push({ process, argv: args, env: envPairs });
  });
  watchMethod(Server.prototype, "listen", (server: Server) => {
    const store = seen.getStore();
    store?.servers.push(server);
    server.on("listening", () => {
      const place = server.address();
      if (typeof place === "object" && place !== null) store?.listened.add(place.port);
    });
  });
  subscribe("net.client.socket", (message) => {
    const store = seen.getStore();
    const { socket } = message as { socket: unknown };
    if (store === undefined || !(socket instanceof Socket)) return;
    socket.on("connectionAttempt", (address, port) => store.contacted.add(`${address}:${port}`));
  });
}

function watchMethod<T extends object>(
  owner: T,
  name: string,
  see: (self: T, given: readonly unknown[]) => void,
): void {
  const real = Reflect.get(owner, name) as (...given: unknown[]) => unknown;
  Reflect.set(owner, name, function (this: T, ...given: unknown[]) {
    see(this, given);
    return Reflect.apply(real, this, given);
  });
}
