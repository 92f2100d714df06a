/** Opens and closes the servers. Slow and hostile clients cannot block them. */
import { chmod, lstat, unlink } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { connect, type ListenOptions, type Socket } from "node:net";
import { Problem, type Log } from "acmectl/plugin";
import { listenProblem } from "./errors.ts";

/** A port, on all addresses unless `host` is given, or a unix socket. */
export type Place = { port: number; host?: string } | { socket: string; mode: string };

/** With more connections than this, the oldest is closed. */
const mostConnections = 128;
/** Milliseconds for a whole request, and after which an idle connection is closed. */
const patience = 5_000;

/** Opens all places or none. Rejects with a Problem of kind `machine`. */
export async function listenAll(
  places: readonly Place[],
  listener: RequestListener,
  log: Log,
): Promise<readonly Server[]> {
  const servers: Server[] = [];
  try {
    for (const place of places) {
      const server = await open(place, places.length > 1, listener);
      servers.push(server);
      log.debug("listening for validation requests", { on: nameOf(server) });
    }
    return servers;
  } catch (error) {
    await closeAll(servers);
    throw error;
  }
}

/** Closes the servers and every connection that is still open. */
export async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    ),
  );
}

async function open(place: Place, several: boolean, listener: RequestListener): Promise<Server> {
  if ("socket" in place) return openSocket(place.socket, place.mode, listener);
  const { port, host } = place;
  if (host !== undefined) {
    // `::` and `0.0.0.0` can only both be bound when `::` does not take IPv4 too.
    return listen({ host, port, ipv6Only: several }, listener);
  }
  try {
    return await listen({ host: "::", port }, listener);
  } catch (error) {
    if (!isWithoutIpv6(error)) throw error;
    return listen({ host: "0.0.0.0", port }, listener);
  }
}

async function openSocket(path: string, mode: string, listener: RequestListener): Promise<Server> {
  if (!/^0?[0-7]{3}$/.test(mode)) {
    throw new Problem("config", {
      detail: `${JSON.stringify(mode)} is not a file mode for the unix socket ${path}.`,
      hint: "Write three octal digits, for example 0660.",
    });
  }
  await removeStaleSocket(path);
  const server = await listen({ path }, listener);
  await chmod(path, Number.parseInt(mode, 8));
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
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
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
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(place, resolve);
    });
  } catch (error) {
    throw await listenProblem(error, place);
  }
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
  const cause = Problem.is(error) ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL" || code === "EINVAL";
}

function nameOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") return address ?? "";
  return address.family === "IPv6"
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}
