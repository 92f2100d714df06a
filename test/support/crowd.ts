/** Many hostile clients of one listener on loopback. */
import { connect } from "node:net";

/** What one of them says; nothing more follows. */
const badManners: readonly (string | Buffer)[] = [
  "",
  "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: exa",
  `GET / HTTP/1.1\r\nHost: example.com\r\nX: ${"x".repeat(100_000)}`,
  "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000000000\r\n\r\nx",
  "\r\n\r\n\0\u001b[2J",
  Buffer.from("160301020001", "hex"),
  Buffer.from(`1603010200010001fc0303${"ff".repeat(600)}`, "hex"),
  Buffer.alloc(70_000, 0x80),
];

/** Opens so many connections, each of which says something wrong and stalls. */
export async function crowd(port: number, size: number) {
  let closed = 0;
  const sockets = Array.from({ length: size }, (_, index) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {}).resume();
    socket.once("close", () => (closed += 1));
    const said = badManners[index % badManners.length] ?? "";
    if (said !== "") socket.write(said);
    return socket;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return {
    closed: () => closed,
    leave: () => sockets.forEach((socket) => socket.destroy()),
  };
}

/** The fewest milliseconds of three: other tests may have the machine. */
export async function quickestOf(ask: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let time = 0; time < 3; time++) {
    const started = performance.now();
    await ask();
    times.push(performance.now() - started);
  }
  return Math.min(...times);
}
