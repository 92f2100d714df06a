/** Why a port cannot be had, who has it, and what to do. */
import { readFile } from "node:fs/promises";
import type { ListenOptions } from "node:net";
import { Problem } from "acmectl/plugin";
import { holdersOf } from "./holder.ts";

/** The Problem for an error of `listen`, with the exact address and port, or the path. */
export async function listenProblem(error: unknown, place: ListenOptions): Promise<Problem> {
  const { code, text } = causeOf(error);
  const where = nameOf(place);
  const problem = (detail: string, hint: string) =>
    new Problem("machine", { title: "Cannot listen", detail, hint, cause: error });
  switch (code) {
    case "EACCES":
      return problem(await withoutRights(where, place), rightsHint(place));
    case "EADDRINUSE":
      return problem(...(await inUse(where, place)));
    case "EADDRNOTAVAIL":
      return problem(
        `${where} cannot be listened on: this machine does not have that address.`,
        "Give one of its own addresses (`ip address` lists them), or leave the address out to listen on all.",
      );
    default:
      return problem(
        `${where} cannot be listened on: ${text}.`,
        "Check the address, port or socket path of the standalone solver.",
      );
  }
}

async function withoutRights(where: string, { port }: ListenOptions): Promise<string> {
  if (port === undefined) return `${where} cannot be made: permission denied.`;
  const first = await firstUnprivilegedPort();
  const rule = first === undefined ? "" : `; without special rights they begin at ${first} here`;
  return `${where} cannot be listened on: this user may not use ports that low${rule}.`;
}

function rightsHint({ port }: ListenOptions): string {
  if (port === undefined) return "Choose a folder that this user can write for the socket.";
  return [
    "One of these helps: run acmectl as root;",
    `let Node.js use low ports: sudo setcap cap_net_bind_service=+ep ${process.execPath};`,
    `let everybody use them from ${port} on: sudo sysctl net.ipv4.ip_unprivileged_port_start=${port};`,
    `or redirect port ${port} to a higher one, for example 8080, and add --standalone-port 8080.`,
  ].join(" ");
}

async function inUse(where: string, place: ListenOptions): Promise<[string, string]> {
  if (place.port === undefined) {
    return [
      `The socket ${where} is in use by another process, or a file of that name is in the way.`,
      "Wait for the other run to end, remove the file, or choose another path.",
    ];
  }
  const holders = await holdersOf(place.port);
  if (holders.some(({ pid }) => pid === process.pid)) {
    return [
      `${where} is in use by this very run.`,
      "Two standalone solvers of one run cannot share a port: use one for all names, or give them different addresses.",
    ];
  }
  const [first] = holders;
  if (first !== undefined && holders.every(({ name }) => /^acmectl(?:\.js)?$/.test(name))) {
    return [
      `${where} is in use by another acmectl run (pid ${first.pid}).`,
      "That run frees it when its validations are done: wait until it has ended, and run this one again.",
    ];
  }
  const by = holders.length === 0 ? "another process" : holders.map(describe).join(", ");
  return [
    `${where} is in use by ${by}.`,
    "If that is a web server, let it answer: --webroot DIR, with the folder it serves. Otherwise stop it while acmectl runs (--pre-hook and --post-hook can do so), or redirect the challenge path to another port and add --standalone-port.",
  ];
}

function describe({ name, pid }: { name: string; pid: number }): string {
  return `${name} (pid ${pid})`;
}

async function firstUnprivilegedPort(): Promise<string | undefined> {
  try {
    const text = await readFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8");
    return text.trim();
  } catch {
    return undefined;
  }
}

function nameOf({ host, port, path }: ListenOptions): string {
  if (path !== undefined) return path;
  return host?.includes(":") === true ? `[${host}]:${port}` : `${host}:${port}`;
}

function causeOf(error: unknown): { code: unknown; text: string } {
  if (!(error instanceof Error)) return { code: undefined, text: String(error) };
  return { code: "code" in error ? error.code : undefined, text: error.message };
}
