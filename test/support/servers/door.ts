import { once } from "node:events";
import { request as requestPlain } from "node:http";
import { createServer, request as requestTls } from "node:https";
import { withFreePort } from "./process.ts";
import { makeTls } from "./tls.ts";

export interface Door {
  readonly port: number;
  readonly rootFile: string;
  close(): Promise<void>;
}

/**
 * A proxy that speaks TLS by the real clock, with a certificate of its own, in front of a server whose clock is moved: that
 * server's own certificate would not be valid for its clients.
 */
export async function openDoor(target: string, folder: string): Promise<Door> {
  const { certificatePem, keyPem, rootFile } = await makeTls(folder, "door.pem");
  const { protocol, hostname: host, port: to } = new URL(target);
  const request = protocol === "https:" ? requestTls : requestPlain;
  const server = createServer({ cert: certificatePem, key: keyPem }, (incoming, answer) => {
    const { method, url: path, headers } = incoming;
    const place = { host, port: Number(to), rejectUnauthorized: false };
    const forwarded = { ...headers, "x-forwarded-proto": "https" };
    const onward = request({ ...place, method, path, headers: forwarded }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    onward.on("error", () => answer.destroy());
    incoming.pipe(onward);
  });
  const port = await withFreePort(async (free) => {
    server.listen(free, "127.0.0.1");
    await once(server, "listening");
    return free;
  });
  return {
    port,
    rootFile,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
