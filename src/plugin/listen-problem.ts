/** Why listening fails, which process holds the port, and what to do. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";
import type { ListenOptions } from "node:net";
import { codeOf, messageOf } from "../errors.ts";
import { Problem } from "../problem.ts";

/** What the hints of one solver say. */
export interface Advice {
  /** The name of the plugin, with which its flags begin. */
  readonly solver: string;
  /** A port that needs no rights. */
  readonly highPort: number;
  /** What to do if another server uses the port. */
  readonly inUse: string;
}

/** The Problem for an error of `listen`, with the exact address and port, or the path. */
export async function listenProblem(
  error: unknown,
  place: ListenOptions,
  advice: Advice,
  waited = 0,
): Promise<Problem> {
  if (Problem.is(error)) return error;
  const where = nameOf(place);
  const problem = (detail: string, hint: string) =>
    new Problem("machine", { title: "Cannot listen", detail, hint, cause: error });
  switch (codeOf(error)) {
    case "EACCES":
      return problem(...(await notPermitted(where, place, advice)));
    case "EADDRINUSE":
      return problem(...(await inUse(where, place, advice, waited)));
    case "EADDRNOTAVAIL":
      return problem(
        `Cannot listen on ${where}: this machine does not have that address.`,
        "Use one of its own addresses (`ip address` lists them), or omit the address to listen on all.",
      );
    default:
      return problem(
        `Cannot listen on ${where}: ${messageOf(error)}.`,
        `Check the address, port or socket path of the ${advice.solver} solver.`,
      );
  }
}

type DetailAndHint = [string, string];

async function notPermitted(
  where: string,
  { port }: ListenOptions,
  { solver, highPort }: Advice,
): Promise<DetailAndHint> {
  if (port === undefined)
    return [
      `Cannot create the socket ${where}: permission denied.`,
      "Choose a folder for the socket that this user can write to.",
    ];
  const first = (await textOf("/proc/sys/net/ipv4/ip_unprivileged_port_start")).trim();
  const rule = first === "" ? "this low" : `below ${first}`;
  const ways = [
    "Do one of these: run acmectl as root;",
    `allow Node.js to use low ports: sudo setcap cap_net_bind_service=+ep ${process.execPath};`,
    `allow all users to use ports from ${port}: sudo sysctl net.ipv4.ip_unprivileged_port_start=${port};`,
    `redirect port ${port} to a higher one, such as ${highPort}, and add --${solver}-port ${highPort}.`,
  ];
  return [`Cannot listen on ${where}: this user may not use ports ${rule}.`, ways.join(" ")];
}

async function inUse(
  where: string,
  place: ListenOptions,
  advice: Advice,
  waited: number,
): Promise<DetailAndHint> {
  const holders = await holdersOf(place);
  const [first] = holders;
  if (first !== undefined && holders.every(isAcmectl))
    return [
      `${where} is in use by another acmectl run (pid ${first.pid}). Waited ${Math.round(waited / 1000)} s.`,
      `Run this again when that run has ended, or raise --${advice.solver}-wait.`,
    ];
  if (place.port === undefined)
    return [
      `The socket ${where} is in use by another process, or a file of that name exists.`,
      "Wait until the other run ends, remove the file, or choose another path.",
    ];
  const shown = holders.map(({ name, pid }) => `${name} (pid ${pid})`).join(", ");
  return [`${where} is in use by ${shown || "another process"}.`, advice.inUse];
}

function isAcmectl({ name }: Holder): boolean {
  return /^acmectl(?:\.js)?$/.test(name);
}

function nameOf({ host, port, path }: ListenOptions): string {
  if (path !== undefined) return path;
  return host?.includes(":") === true ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The process id of the other acmectl run because of which listening failed; undefined if that is not the reason. */
export async function acmectlHolding(
  error: unknown,
  place: ListenOptions,
): Promise<number | undefined> {
  if (codeOf(error) !== "EADDRINUSE") return undefined;
  const holders = await holdersOf(place);
  return holders.every(isAcmectl) ? holders[0]?.pid : undefined;
}

interface Holder {
  /** The program's name; for Node.js, the script's. */
  readonly name: string;
  readonly pid: number;
}

/** The other processes that listen there, of a forking server only the first; empty if the system does not show them. */
async function holdersOf({ port, path }: ListenOptions): Promise<readonly Holder[]> {
  const links = path === undefined ? await tcpListeners(port ?? 0) : await unixSockets(path);
  if (links.size === 0) return [];
  const holders = new Map<string, Holder>();
  const pids = (await namesIn("/proc")).filter((entry) => /^\d+$/.test(entry)).map(Number);
  // Ascending, so that nginx's master stands for its workers.
  for (const pid of pids.toSorted((one, other) => one - other)) {
    if (pid === process.pid || !(await holdsOne(pid, links))) continue;
    const name = await programOf(pid);
    if (!holders.has(name)) holders.set(name, { name, pid });
  }
  return [...holders.values()];
}

/** `socket:[inode]` of every listening socket of the port, from /proc/net/tcp (proc_net_tcp(5)). */
async function tcpListeners(port: number): Promise<ReadonlySet<string>> {
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

/** The same for the sockets at a path, from /proc/net/unix. */
async function unixSockets(path: string): Promise<ReadonlySet<string>> {
  const lines = (await textOf("/proc/net/unix")).split("\n");
  const sockets = lines.map((line) => line.trim().split(/\s+/));
  const found = sockets.filter((fields) => fields.slice(7).join(" ") === path);
  return new Set(found.map(([, , , , , , inode]) => `socket:[${inode}]`));
}

async function holdsOne(pid: number, links: ReadonlySet<string>): Promise<boolean> {
  for (const fd of await namesIn(`/proc/${pid}/fd`)) {
    const link = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
    if (links.has(link)) return true;
  }
  return false;
}

async function programOf(pid: number): Promise<string> {
  const name = plain(await textOf(`/proc/${pid}/comm`)) || "a process";
  const [program = "", ...args] = (await textOf(`/proc/${pid}/cmdline`)).split("\0");
  // The comm of Node.js is the name of its main thread.
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
