import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { openAt } from "../shared/state.ts";

/** A server that answers connections with these errors, the last one for ever. */
async function refusing(codes: readonly string[]) {
  let connections = 0;
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      const code = codes[Math.min(connections++, codes.length - 1)];
      const fields = Buffer.from(`SFATAL\0C${code}\0Mnot now\0\0`);
      const length = Buffer.alloc(4);
      length.writeInt32BE(fields.length + 4);
      socket.end(Buffer.concat([Buffer.from("E"), length, fields]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  const url = `postgres://u:p@127.0.0.1:${port}/d?sslmode=disable`;
  return { store: await openAt(url, { clock }), connections: () => connections };
}

test("a run waits for a database server that is starting up", async () => {
  const { store } = await refusing(["57P03", "57P03", "3D000"]);
  await expect(store.certificates.names()).rejects.toThrow("the server has no database d");
});

test("a run does not wait for ever for a database server that is starting up", async () => {
  const { store, connections } = await refusing(["57P03"]);
  await expect(store.certificates.names()).rejects.toMatchObject({ exitCode: 3, retryable: true });
  expect(connections()).toBe(8);
});
