/** An HTTP proxy on loopback that asks for `me:secret` and connects everything to one port. */
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";

export interface Proxy extends AsyncDisposable {
  readonly url: string;
  /** Each CONNECT: host, port and Proxy-Authorization. */
  readonly seen: readonly string[];
}

/** Leads to the port that `target` names; without it, every CONNECT is refused. */
export async function startProxy(target: (() => number) | undefined): Promise<Proxy> {
  const seen: string[] = [];
  const server = createServer();
  server.on("connect", (request, socket) => {
    seen.push(`${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim());
    if (target === undefined) {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      return;
    }
    const upstream = connect(target(), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
    socket.on("close", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    seen,
    url: `http://me:secret@127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
