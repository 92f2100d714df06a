/** Who listens on a TCP port, as far as Linux lets this user see. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";

export interface Holder {
  /** A program's name, or of a script that Node.js runs that script's. */
  readonly name: string;
  readonly pid: number;
}

/** The processes that listen on `port`, a forking server's first process only; empty where that cannot be known. */
export async function holdersOf(port: number): Promise<readonly Holder[]> {
  const links = await listeningSockets(port);
  if (links.size === 0) return [];
  const holders = new Map<string, Holder>();
  for (const pid of await processes()) {
    if (!(await holdsOne(pid, links))) continue;
    const name = await nameOf(pid);
    // Ascending, so that nginx's master stands for its workers.
    if (!holders.has(name)) holders.set(name, { name, pid });
  }
  return [...holders.values()];
}

/** `socket:[inode]` of every listening socket of the port, from /proc/net/tcp (proc_net_tcp(5)). */
async function listeningSockets(port: number): Promise<ReadonlySet<string>> {
  const listening = "0A";
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const links = new Set<string>();
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of (await textOf(file)).split("\n").slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === listening && local?.endsWith(suffix) === true) links.add(`socket:[${inode}]`);
    }
  }
  return links;
}

async function processes(): Promise<readonly number[]> {
  const entries = await namesIn("/proc");
  return entries
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .toSorted((one, other) => one - other);
}

async function holdsOne(pid: number, links: ReadonlySet<string>): Promise<boolean> {
  for (const fd of await namesIn(`/proc/${pid}/fd`)) {
    const link = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
    if (links.has(link)) return true;
  }
  return false;
}

async function nameOf(pid: number): Promise<string> {
  const name = plain(await textOf(`/proc/${pid}/comm`)) || "a process";
  const [program = "", ...args] = (await textOf(`/proc/${pid}/cmdline`)).split("\0");
  // Node.js calls itself by its main thread.
  if (!/^node(js)?[\d.]*$/.test(basename(program))) return name;
  const first = args.find((arg) => /^-(?:[ep]|-eval|-print)$|^[^-]/.test(arg)) ?? "";
  return first.startsWith("-") ? "node" : plain(basename(first)).slice(0, 60) || "node";
}

function plain(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "");
}

async function textOf(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}
