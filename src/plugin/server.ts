/** Opens and closes the servers of solvers. Slow and hostile clients cannot block them. */
import { once } from "node:events";
import { lstat, unlink } from "node:fs/promises";
import { connect, type ListenOptions, type Server } from "node:net";
import { codeOf } from "../errors.ts";
import { keepRoom } from "../keep-room.ts";
import type { OptionDeclarations, OptionsOf } from "../plugin.ts";
import { Problem } from "../problem.ts";

/** A port, on all addresses unless `host` is given, or a unix socket. */
export type Place = { port: number; host?: string } | { socket: string; mode: string };

/** Options of a solver that listens on a port. */
export function portOptions(port: number, description: string) {
  return {
    address: {
      type: "list",
      description: "IP addresses to listen on. Default: all, IPv6 and IPv4.",
      placeholder: "ADDRESS",
    },
    port: { type: "port", default: port, description },
    wait: {
      type: "duration",
      default: 120_000,
      min: 0,
      description: "Time to wait for another acmectl run that uses the port.",
    },
  } as const satisfies OptionDeclarations;
}

/** Options of a solver that listens on the CA's `port`, or on a unix socket to which `behind` passes connections. */
export function listenOptions(port: number, behind: string) {
  const redirected = `Port to listen on. The CA always connects to port ${port}: redirect it to this port.`;
  const { wait, ...places } = portOptions(port, redirected);
  return {
    ...places,
    socket: {
      type: "path",
      description: `Unix socket to listen on instead of a port, behind ${behind}.`,
    },
    socketMode: {
      type: "string",
      default: "0660",
      description: "Permissions of the unix socket, in octal. The proxy needs write access.",
    },
    wait,
  } as const satisfies OptionDeclarations;
}

type PlaceOptions = Omit<OptionsOf<ReturnType<typeof portOptions>>, "wait"> &
  Partial<OptionsOf<ReturnType<typeof listenOptions>>>;

/** Where a solver with these options listens. */
export function placesOf({ address = [], port, socket, socketMode = "" }: PlaceOptions): Place[] {
  if (socket !== undefined) return [{ socket, mode: socketMode }];
  if (address.length === 0) return [{ port }];
  return address.map((host) => ({ host, port }));
}

export interface OpenServer {
  readonly server: Server;
  /** Ends every connection that is still open, too. */
  close(): Promise<void>;
}

const mostConnections = 512;
/** Connections that wait to be accepted: with a full queue the CA's would have to be tried again, a second later. */
const backlog = 4_096;
/** Milliseconds after which an idle connection is closed; a server allows as much for a whole request or handshake. */
export const patience = 5_000;

/** Rejects with the error of the system. */
export async function openServer(place: Place, server: Server): Promise<OpenServer> {
  const close = keepRoom(server, { most: mostConnections, idle: patience });
  if ("socket" in place) return openSocket(place.socket, place.mode, { server, close });
  try {
    await listen(server, whereOf(place));
  } catch (error) {
    if (place.host !== undefined || !isWithoutIpv6(error)) throw error;
    await listen(server, { host: "0.0.0.0", port: place.port });
  }
  return { server, close };
}

export function whereOf(place: Place): ListenOptions {
  if ("socket" in place) return { path: place.socket };
  const { port, host } = place;
  if (host === undefined) return { host: "::", port };
  // `::` and `0.0.0.0` can only both be bound if `::` does not accept IPv4 too.
  return { host, port, ipv6Only: true };
}

async function openSocket(path: string, mode: string, open: OpenServer): Promise<OpenServer> {
  if (!/^0?[0-7]{3}$/.test(mode))
    throw new Problem("config", {
      detail: `${JSON.stringify(mode)} is not a file mode for the unix socket ${path}.`,
      hint: "Write three octal digits, for example 0660.",
    });
  await removeStaleSocket(path);
  // It has its mode from the beginning: a chmod of the path would follow a link that took its place.
  const umask = process.umask(0o777 & ~Number.parseInt(mode, 8));
  const listening = listen(open.server, { path });
  process.umask(umask);
  await listening;
  return open;
}

/** Removes the socket of a run that was killed: no process accepts connections on it. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() === true && !(await isAnswered(path))) await unlink(path);
}

async function isAnswered(path: string): Promise<boolean> {
  const probe = connect(path);
  const refused = await once(probe, "connect").catch((error) => codeOf(error) === "ECONNREFUSED");
  probe.destroy();
  return refused !== true;
}

async function listen(server: Server, place: ListenOptions): Promise<void> {
  await once(server.listen({ backlog, ...place }), "listening");
  // A connection that fails from now on, such as for lack of file descriptors, must not end the run.
  server.on("error", () => {});
}

function isWithoutIpv6(error: unknown): boolean {
  return ["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"].includes(codeOf(error));
}

/** Address and port, or the path of the socket. */
export function nameOf({ server }: OpenServer): string {
  const address = server.address();
  if (address === null || typeof address === "string") return address ?? "";
  return address.family === "IPv6"
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}
