/** Keeps a server answering while others hold its connections open or open new ones all the time. */
import { isIPv6, type Server, type Socket } from "node:net";

interface Room {
  /** Connections at a time. */
  readonly most: number;
  /** Milliseconds after which a connection on which nothing happens is closed; never when absent. */
  readonly idle?: number | undefined;
}

/**
 * Accepts every new connection. With more than `most`, the oldest is closed of the network that has most of them, so
 * that a crowd of connections from elsewhere does not end that of a CA. Returns a function that closes the server with all of them.
 */
export function keepRoom(server: Server, { most, idle }: Room): () => Promise<void> {
  /** The oldest first. */
  const open = new Map<Socket, string>();
  server.on("connection", (socket: Socket) => {
    open.set(socket, networkOf(socket.remoteAddress));
    socket.once("close", () => open.delete(socket));
    if (idle !== undefined) socket.setTimeout(idle, () => socket.destroy());
    if (open.size <= most) return;
    const doomed = oldestOfLargest(open);
    open.delete(doomed);
    doomed.destroy();
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of open.keys()) socket.destroy();
    });
}

/** An IPv4 address, or the /64 of an IPv6 address, which one machine has for itself. */
function networkOf(address = ""): string {
  const bare = address.replace(/^::ffff:(?=[\d.]+$)/, "");
  if (!isIPv6(bare)) return bare;
  const [head = "", tail] = bare.split("::");
  const groups = head.split(":");
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(":").length;
  return [...groups, ...Array.from({ length: missing }, () => "0"), ...(tail?.split(":") ?? [])]
    .slice(0, 4)
    .join(":");
}

function oldestOfLargest(open: ReadonlyMap<Socket, string>): Socket {
  const groups = Map.groupBy(open, ([, network]) => network);
  const [largest = []] = [...groups.values()].toSorted((a, b) => b.length - a.length);
  const [[oldest] = []] = largest;
  if (oldest === undefined) throw new Error("no connection is open");
  return oldest;
}
