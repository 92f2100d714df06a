/** A TCP proxy that cuts connections at a chosen message of the client. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
  /**
   * Cut at the `count`th message from now on: before the server gets it, or before its answer arrives. Resolves to whether
   * it came that far.
   */
  cutAt(count: number, when: "before" | "after"): () => boolean;
}

export async function startCuttingProxy(target: number): Promise<CuttingProxy> {
  let cut: { left: number; when: "before" | "after" } | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    let isDeaf = false;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", end).on("close", end);
    }
    client.on("data", (data) => {
      const now = cut !== undefined && --cut.left === 0 ? cut.when : undefined;
      if (now !== undefined) cut = undefined;
      if (now === "before") return end();
      isDeaf ||= now === "after";
      upstream.write(data);
    });
    upstream.on("data", (data) => (isDeaf ? end() : client.write(data)));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    cutAt(count, when) {
      cut = { left: count, when };
      return () => {
        const isDone = cut === undefined;
        cut = undefined;
        return isDone;
      };
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
