/** A network between a client and a CA: bytes arrive half a round trip later, each way. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Network {
  /** The CA's directory through this network. */
  readonly directoryUrl: string;
  /** Connections since the last call. */
  connections(): number;
  close(): Promise<void>;
}

/** `roundTrip` in milliseconds. */
export async function startNetwork(directoryUrl: string, roundTrip: number): Promise<Network> {
  const target = new URL(directoryUrl);
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer({ noDelay: true }, (client) => {
    count += 1;
    const ca = connect({ port: Number(target.port), host: target.hostname, noDelay: true });
    sockets.add(client).add(ca);
    // A connection itself takes a round trip, too.
    delay(client, ca, roundTrip / 2, roundTrip);
    delay(ca, client, roundTrip / 2, 0);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    directoryUrl: `https://127.0.0.1:${port}${target.pathname}`,
    connections() {
      const connections = count;
      count = 0;
      return connections;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function delay(from: Socket, to: Socket, milliseconds: number, first: number): void {
  const ready = performance.now() + first;
  const later = (work: () => void) => {
    const wait = Math.max(milliseconds, ready + milliseconds - performance.now());
    if (wait === 0) work();
    else setTimeout(work, wait);
  };
  from.on("data", (bytes) => later(() => to.writable && to.write(bytes)));
  from.on("end", () => later(() => to.end()));
  from.on("close", () => later(() => to.destroy()));
  from.on("error", () => {});
}
