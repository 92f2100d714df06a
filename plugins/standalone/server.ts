/** Opens and closes the servers. Slow and hostile clients cannot block them. */
import { chmod, lstat, unlink } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { connect, type ListenOptions, type Socket } from "node:net";
import { Problem } from "acmectl/plugin";
import { codeOf } from "acmectl/plugin/http";

/** A port, on all addresses unless `host` is given, or a unix socket. */
export type Place = { port: number; host?: string } | { socket: string; mode: string };

/** With more connections than this, the oldest is closed. */
const mostConnections = 128;
/** Milliseconds for a whole request, and after which an idle connection is closed. */
const patience = 5_000;

/** Rejects with the error of the system. */
export async function openServer(place: Place, listener: RequestListener): Promise<Server> {
  if ("socket" in place) return openSocket(place.socket, place.mode, listener);
  try {
    return await listen(listenOptions(place), listener);
  } catch (error) {
    if (place.host !== undefined || !isWithoutIpv6(error)) throw error;
    return listen({ host: "0.0.0.0", port: place.port }, listener);
  }
}

export function listenOptions(place: Place): ListenOptions {
  if ("socket" in place) return { path: place.socket };
  const { port, host } = place;
  if (host === undefined) return { host: "::", port };
  // `::` and `0.0.0.0` can only both be bound if `::` does not accept IPv4 too.
  return { host, port, ipv6Only: true };
}

/** Closes the server and every connection that is still open. */
export async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function openSocket(path: string, mode: string, listener: RequestListener): Promise<Server> {
  if (!/^0?[0-7]{3}$/.test(mode))
    throw new Problem("config", {
      detail: `${JSON.stringify(mode)} is not a file mode for the unix socket ${path}.`,
      hint: "Write three octal digits, for example 0660.",
    });
  await removeStaleSocket(path);
  const server = await listen({ path }, listener);
  try {
    await chmod(path, Number.parseInt(mode, 8));
  } catch (error) {
    await closeServer(server);
    throw error;
  }
  return server;
}

/** Removes the socket of a run that was killed: no process accepts connections on it. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() === true && !(await isAnswered(path))) await unlink(path);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED"));
  });
}

async function listen(place: ListenOptions, listener: RequestListener): Promise<Server> {
  const server = createServer(
    {
      headersTimeout: patience,
      requestTimeout: patience,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 8_192,
      requireHostHeader: true,
    },
    listener,
  );
  keepRoom(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(place, resolve);
  });
  // A connection that fails from now on, such as for lack of file descriptors, must not end the run.
  server.on("error", () => {});
  return server;
}

/** Accepts every new connection, so that the CA gets its answer however many idle ones others hold open. */
function keepRoom(server: Server): void {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.setTimeout(patience, () => socket.destroy());
    const [oldest] = sockets;
    if (sockets.size > mostConnections) oldest?.destroy();
  });
}

function isWithoutIpv6(error: unknown): boolean {
  return ["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"].includes(codeOf(error));
}

/** Address and port, or the path of the socket. */
export function nameOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") return address ?? "";
  return address.family === "IPv6"
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}
