import { once } from "node:events";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer, TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import type { Clock } from "../../src/clock.ts";
import { testClock } from "../support/clock.ts";
import { openWorld, type World } from "./world.ts";

interface Pair {
  readonly certificate: string;
  readonly privateKey: string;
}

async function listen(server: Server, address = "127.0.0.1"): Promise<number> {
  server.listen(0, address);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const at = server.address();
  if (at === null || typeof at === "string") throw new Error("no port");
  return at.port;
}

function tlsServer({ certificate, privateKey }: Pair) {
  return createServer({ cert: certificate, key: privateKey }, (socket) => socket.end());
}

/** Time passes only when somebody sleeps. */
function leapingClock(slept: (count: number) => void = () => undefined): Clock {
  let now = Date.parse("2026-02-01T00:00:00Z");
  let count = 0;
  return {
    now: () => new Date(now),
    monotonic: () => now,
    sleep: async (milliseconds, signal) => {
      signal.throwIfAborted();
      now += milliseconds;
      slept((count += 1));
    },
  };
}

const probe = async (world: World, place: string, more = {}) => {
  await world.want([{ probe: place, ...more }]);
  return world.deploy({ all: true });
};

test("a probe passes for the new certificate and reports serial and dates of an old one", async () => {
  const world = await openWorld([], { clock: leapingClock() });
  const old = await world.issue();
  const fresh = await world.issue();
  const good = await listen(tlsServer(fresh));
  const stale = await listen(tlsServer(old));
  expect(await probe(world, `127.0.0.1:${good}`)).toBeUndefined();
  const problem = await probe(world, `127.0.0.1:${stale}`);
  expect(problem).toMatchObject({
    exitCode: 9,
    document: { title: "A deploy step of shop failed" },
  });
  expect(problem?.message).toMatch(
    /serves another certificate: serial \d+, valid from 2026-01-01 00:00 UTC until 2026-04-01/,
  );
  expect(problem?.hint).toContain("reload");
});

test("a probe repeats until the server has reloaded", async () => {
  const servers: { setSecureContext(context: { cert: string; key: string }): void }[] = [];
  const reload = (count: number) => {
    if (count === 3)
      servers[0]?.setSecureContext({ cert: fresh.certificate, key: fresh.privateKey });
  };
  const world = await openWorld([], { clock: leapingClock((count) => reload(count)) });
  const old = await world.issue();
  const fresh = await world.issue();
  const server = tlsServer(old);
  servers.push(server);
  const port = await listen(server);
  expect(await probe(world, `127.0.0.1:${port}`)).toBeUndefined();
  expect(world.lines.filter((line) => line.includes("serves another certificate"))).toHaveLength(3);
});

test.each([
  ["ahead", 86_400_000],
  ["back", -86_400_000],
])("a probe ends in its time when the clock is set %s meanwhile", async (_, jump) => {
  const clock = testClock();
  const world = await openWorld([], { clock });
  const old = await world.issue();
  await world.issue();
  const server = tlsServer(old);
  server.once("connection", () => clock.set(new Date(clock.now().getTime() + jump)));
  const port = await listen(server);
  const start = clock.monotonic();
  const problem = await probe(world, `127.0.0.1:${port}`, { timeout: 2000 });
  expect(problem?.message).toContain("serves another certificate");
  expect(clock.monotonic() - start).toBe(2000);
});

test("a probe asks for the certificate's name, or for servername", async () => {
  const world = await openWorld([], { clock: leapingClock() });
  const fresh = await world.issue();
  const asked: string[] = [];
  const port = await listen(
    createServer(
      {
        cert: fresh.certificate,
        key: fresh.privateKey,
        SNICallback: (servername, done) => {
          asked.push(servername);
          done(null);
        },
      },
      (socket) => socket.end(),
    ),
  );
  await probe(world, `127.0.0.1:${port}`);
  await probe(world, `localhost:${port}`);
  await probe(world, `127.0.0.1:${port}`, { servername: "other.example.com" });
  expect(asked).toEqual(["shop.example.com", "shop.example.com", "other.example.com"]);
});

test("a probe takes IPv6 in brackets and passes when one address of the host answers", async () => {
  const world = await openWorld([], { clock: leapingClock() });
  const fresh = await world.issue();
  const six = await listen(tlsServer(fresh), "::1");
  expect(await probe(world, `[::1]:${six}`)).toBeUndefined();
  const four = await listen(tlsServer(fresh));
  expect(await probe(world, `localhost:${four}`)).toBeUndefined();
});

test("a probe reports a server that does not speak TLS", async () => {
  const world = await openWorld([], { clock: leapingClock() });
  const closed = createTcpServer();
  const port = await listen(closed);
  closed.close();
  expect((await probe(world, `127.0.0.1:${port}`))?.message).toContain("ECONNREFUSED");
  const plain = await listen(
    createTcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
  );
  expect((await probe(world, `127.0.0.1:${plain}`))?.message).toContain("no TLS there (");
  const shut = await listen(createTcpServer((socket) => socket.destroy()));
  expect((await probe(world, `127.0.0.1:${shut}`))?.message).toMatch(
    /hung up|ECONNRESET|disconnected/,
  );
  expect((await probe(world, "host.invalid:443", { timeout: 0 }))?.message).toContain(
    "host.invalid has no address",
  );
});

test.each([
  [
    "smtp",
    "220 mail ESMTP\r\n",
    { EHLO: "250-mail\r\n250-SIZE 1\r\n250 STARTTLS\r\n", STARTTLS: "220 go\r\n" },
  ],
  ["imap", "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", { a1: "a1 OK begin\r\n" }],
  ["pop3", "+OK ready\r\n", { STLS: "+OK begin\r\n" }],
] as const)(
  "%s begins in plain text, in pieces of any size",
  async (starttls, greeting, answers) => {
    const world = await openWorld([], { clock: leapingClock() });
    const fresh = await world.issue();
    const speak = async (socket: Socket, text: string) => {
      for (const piece of text.match(/.{1,7}/gsu) ?? []) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined);
      void speak(socket, greeting);
      const hear = async (chunk: Buffer) => {
        const word = chunk.toString().trim().split(" ")[0] ?? "";
        const last = /^(STARTTLS|STLS|a1)$/.test(word);
        // What follows the last answer is TLS's.
        if (last) socket.off("data", listener).pause();
        await speak(
          socket,
          Object.entries(answers).find(([key]) => key === word)?.[1] ?? "500 what\r\n",
        );
        if (!/^(STARTTLS|STLS|a1)$/.test(word)) return;
        socket.off("data", listener);
        const tls = new TLSSocket(socket, {
          isServer: true,
          cert: fresh.certificate,
          key: fresh.privateKey,
        });
        tls.on("error", () => undefined);
      };
      const listener = (chunk: Buffer) => void hear(chunk);
      socket.on("data", listener);
    });
    const port = await listen(server);
    expect(await probe(world, `127.0.0.1:${port}`, { starttls })).toBeUndefined();
    const mute = await listen(createTcpServer((socket) => socket.end("554 go away\r\n")));
    const problem = await probe(world, `127.0.0.1:${mute}`, { starttls });
    expect(problem?.message).toMatch(
      /the server said "554 go away"|closed the connection before TLS began/,
    );
  },
);
