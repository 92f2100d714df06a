import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { keepRoom } from "../src/keep-room.ts";

/** A server with room for eight, which repeats what it hears. */
async function room(host = "127.0.0.1") {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  const close = keepRoom(server, { most: 8 });
  onTestFinished(close);
  await once(server.listen(0, host), "listening");
  const { port } = server.address() as AddressInfo;
  const enter = async (localAddress: string) => {
    const socket = connect({ port, host, localAddress }).on("error", () => {});
    await answered(socket);
    return socket;
  };
  const open = () =>
    new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
  return { close, enter, open };
}

async function answered(socket: Socket): Promise<boolean> {
  const answer = Promise.race([once(socket, "data"), once(socket, "close").then(() => [""])]);
  socket.write("hello");
  return String((await answer)[0]) === "hello";
}

describe("a server with room for eight connections", () => {
  test("keeps one that is alone in its network, however many come from another", async () => {
    const { enter, open } = await room();
    const early = await enter("127.0.0.2");
    for (let count = 0; count < 40; count += 1) await enter("127.0.0.1");
    expect(await answered(early)).toBe(true);
    await expect.poll(open).toBe(8);
  });

  test("closes the oldest if all come from one network, and always accepts a new one", async () => {
    const { enter } = await room();
    const sockets: Socket[] = [];
    for (let count = 0; count < 12; count += 1) sockets.push(await enter("127.0.0.1"));
    await expect
      .poll(() => sockets.map((one) => one.closed || one.readableEnded))
      .toEqual(sockets.map((_, index) => index < 4));
  });

  test("closes all that are open when it ends", async () => {
    const { enter, close, open } = await room();
    const sockets = [await enter("127.0.0.1"), await enter("127.0.0.2")];
    await close();
    expect(await open().catch(() => 0)).toBe(0);
    for (const socket of sockets) if (!socket.closed) await once(socket, "close");
  });
});
