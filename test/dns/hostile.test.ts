/** Name servers that lie, flood and stall: a look ends in bounded time, believes only answers to its question, and can be shown. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { decode, encode, type Packet } from "dns-packet";
import { afterEach, describe, expect, test } from "vitest";
import { openDns } from "../../src/dns/dns.ts";
import { survived } from "../support/counted.ts";
import {
  type Asked,
  type Mischief,
  startDnsServer,
  testZone,
  type TestRecord,
} from "../support/dns-server.ts";

const value = "bW9yZSB0aGFuIGZvcnR5IGNoYXJhY3RlcnMgbG9uZwAA";
const challenge = "_acme-challenge.www.example.test";
const { signal } = new AbortController();
const txt = (data: string) =>
  ({ name: challenge, type: "TXT", ttl: 60, class: "IN", data }) as const;

const closing: (() => unknown)[] = [];
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") survived("hostile name servers", 1);
  for (const close of closing.splice(0)) await close();
});

/** One server for all: resolver and, with the same address and port, name server of example.test. */
async function world(
  mischief: (asked: Asked, count: number) => Mischief | undefined,
  records: TestRecord[] = [{ name: challenge, type: "TXT", data: value }],
) {
  let count = 0;
  const host: TestRecord = { name: "ns1.example.test", type: "A", data: "127.0.0.1" };
  const zones = [testZone("example.test", ["ns1.example.test"], [host, ...records])];
  const server = await startDnsServer({
    zones,
    mischief: (asked) => (asked.type === "TXT" ? mischief(asked, ++count) : undefined),
  });
  closing.push(server.close);
  return { server, look: () => lookAt(server.port) };
}

async function lookAt(port: number, authoritative = true) {
  const dns = openDns({
    resolvers: [`127.0.0.1:${port}`],
    authoritative,
    authoritativePort: port,
    recursive: false,
    queryTimeout: 300,
  });
  const started = performance.now();
  const look = await dns.lookForTxt(challenge, value, signal);
  expect(performance.now() - started).toBeLessThan(10_000);
  // Control characters are written as in zone files.
  expect(JSON.stringify(look)).not.toMatch(/\\u00|[^ -~]/);
  expect(JSON.stringify(look).length).toBeLessThan(100_000);
  return look;
}

const packet = (change: (packet: Packet) => Packet): Mischief => ({ kind: "packet", change });
const raw = (bytes: (query: Buffer) => Buffer): Mischief => ({ kind: "raw", bytes });
const header = (query: Buffer, flags: number, rest = query.subarray(4)) =>
  Buffer.concat([query.subarray(0, 2), Buffer.of(flags >> 8, flags & 0xff), rest]);

const cases: readonly (readonly [string, string, RegExp, Mischief])[] = [
  ["echoes the query", "unanswered", /^timeout$/, raw((query) => query)],
  ["answers half a header", "unanswered", /^timeout$/, raw((query) => query.subarray(0, 7))],
  [
    "answers in another class",
    "missing",
    /^no TXT record$/,
    packet((one) => ({ ...one, answers: [{ ...txt(value), class: "CH" }] })),
  ],
  [
    "answers for another name",
    "missing",
    /^no TXT record$/,
    packet((one) => ({ ...one, answers: [{ ...txt(value), name: "other.example.test" }] })),
  ],
  [
    "answers a question more",
    "unanswered",
    /^timeout$/,
    packet((one) => ({ ...one, questions: [...(one.questions ?? []), ...(one.questions ?? [])] })),
  ],
  [
    "counts records that are not there",
    "unanswered",
    /^malformed answer$/,
    raw((query) => {
      const counted = Buffer.from(query.subarray(4));
      counted.writeUInt16BE(0xffff, 2);
      return header(query, 0x8400, counted);
    }),
  ],
  [
    "points its names at themselves",
    "unanswered",
    /^malformed answer$/,
    raw((query) => {
      const counted = Buffer.from(query.subarray(4, 12));
      counted.writeUInt16BE(1, 2);
      counted.writeUInt16BE(0, 6);
      const question = query.subarray(12, query.length - 11);
      const at = 12 + question.length;
      const loop = Buffer.from([0xc0 | (at >> 8), at & 0xff, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0]);
      return header(query, 0x8400, Buffer.concat([counted, question, loop]));
    }),
  ],
  [
    "says that it is truncated for ever",
    "missing",
    /^no TXT record$/,
    raw((query) => {
      const counted = Buffer.from(query.subarray(4, 12));
      counted.writeUInt16BE(0, 6);
      return header(query, 0x8600, Buffer.concat([counted, query.subarray(12, query.length - 11)]));
    }),
  ],
  ["answers with an unknown code", "unanswered", /^RCODE11$/, { kind: "rcode", rcode: 11 }],
  [
    "fails as a resolver does for bogus signatures",
    "unanswered",
    /^SERVFAIL$/,
    { kind: "rcode", rcode: 2 },
  ],
  [
    "answers without authority",
    "unanswered",
    /^not authoritative for the zone example\.test$/,
    packet((one) => ({ ...one, flags: 0 })),
  ],
  [
    "leads the name to itself",
    "missing",
    /loop/,
    packet((one) => ({
      ...one,
      answers: [{ name: challenge, type: "CNAME", ttl: 60, class: "IN", data: challenge }],
    })),
  ],
  [
    "leads to a name that is none",
    "missing",
    /^no TXT record$/,
    packet((one) => ({
      ...one,
      answers: [{ name: challenge, type: "CNAME", ttl: 60, class: "IN", data: "a b\u001B.test" }],
    })),
  ],
  [
    "fills the name with 500 records of control characters",
    "missing",
    /^NOERROR$/,
    packet((one) => ({
      ...one,
      answers: Array.from({ length: 500 }, () => txt("\u001B[2J\n\u0000")),
    })),
  ],
];

describe("a name server that", () => {
  test.each(cases)("%s is an answer of the look: %s", async (_, verdict, outcome, mischief) => {
    const { look } = await world(() => mischief);
    const seen = await look();
    expect(seen.verdict).toBe(verdict);
    expect(seen.answers.map((one) => one.outcome).join()).toMatch(outcome);
  });

  test("hides the value among 1000 others is read over TCP, and few of them are shown", async () => {
    const others = Array.from({ length: 1000 }, (_, n) => txt(`other ${n}`));
    const mischief = packet((one) => ({ ...one, answers: [...others, txt(value)] }));
    const { look } = await world(() => mischief);
    const { verdict, answers } = await look();
    expect(verdict).toBe("everywhere");
    expect(answers[0]?.values.length).toBeLessThanOrEqual(20);
  });

  test("writes the name in other letters is believed", async () => {
    const upper = (name: string) => name.toUpperCase();
    const mischief = packet((one) => ({
      ...one,
      questions: (one.questions ?? []).map((asked) => ({ ...asked, name: upper(asked.name) })),
      answers: [{ ...txt(value), name: upper(challenge) }],
    }));
    expect((await (await world(() => mischief)).look()).verdict).toBe("everywhere");
  });

  test("shows the value at one look and not at the next is judged by each look", async () => {
    const { look } = await world((_, count) =>
      count % 2 === 1 ? undefined : packet((one) => ({ ...one, answers: [] })),
    );
    const verdicts = [await look(), await look(), await look()].map(({ verdict }) => verdict);
    expect(verdicts).toEqual(["everywhere", "missing", "everywhere"]);
  });

  test("denies the names between the zone and the record does not hide the record", async () => {
    const { server, look } = await world(() => undefined);
    expect((await look()).verdict).toBe("everywhere");
    const denying = await startDnsServer({
      zones: [
        testZone(
          "example.test",
          ["ns1.example.test"],
          [
            { name: "ns1.example.test", type: "A", data: "127.0.0.1" },
            { name: challenge, type: "TXT", data: value },
          ],
        ),
      ],
      mischief: ({ name }) =>
        name === "www.example.test" ? { kind: "rcode", rcode: 3 } : undefined,
    });
    closing.push(denying.close);
    expect((await lookAt(denying.port)).verdict).toBe("everywhere");
    expect(server.asked.length).toBeGreaterThan(0);
  });

  test("names 300 others for its zone costs a bounded number of questions", async () => {
    const many = Array.from({ length: 300 }, (_, n) => `ns${n}.example.test`);
    const hosts = many.map((name): TestRecord => ({ name, type: "A", data: "127.0.0.1" }));
    const record: TestRecord = { name: challenge, type: "TXT", data: value };
    const server = await startDnsServer({
      zones: [testZone("example.test", many, [...hosts, record])],
    });
    closing.push(server.close);
    expect((await lookAt(server.port)).verdict).toBe("everywhere");
    expect(server.asked.length).toBeLessThan(200);
  });
});

describe("a host that", () => {
  /** Answers every query by UDP as it likes, and every connection by TCP. */
  async function rawServer(
    answer: (query: Buffer, send: (bytes: Buffer) => void, port: number) => void,
    talk: (socket: Socket) => void = (socket) => socket.destroy(),
  ) {
    const tcp = createServer((socket) => talk(socket.on("error", () => undefined)));
    await once(tcp.listen(0, "127.0.0.1"), "listening");
    const { port } = tcp.address() as { port: number };
    const udp = createSocket("udp4");
    udp.bind(port, "127.0.0.1");
    await once(udp, "listening");
    udp.on("message", (query, from) =>
      answer(query, (bytes) => udp.send(bytes, from.port, "127.0.0.1"), from.port),
    );
    closing.push(() => [udp.close(), tcp.close()]);
    return port;
  }

  const answerTo = (query: Buffer, id = query.readUInt16BE(0), flags = 0) => {
    const { questions = [] } = decode(query);
    return encode({
      type: "response",
      id,
      flags,
      questions,
      answers: flags === 0 ? [txt(value)] : [],
    });
  };
  const outcomes = async (port: number) => {
    const { verdict, answers } = await lookAt(port, false);
    return [verdict, ...answers.map(({ outcome }) => outcome)];
  };

  test("answers in the server's place from another port is not believed", async () => {
    const forger = createSocket("udp4");
    closing.push(() => forger.close());
    const port = await rawServer((query, _, to) => forger.send(answerTo(query), to, "127.0.0.1"));
    expect(await outcomes(port)).toEqual(["unanswered", "timeout"]);
  });

  test("floods a question with other answers does not prevent the right one", async () => {
    const port = await rawServer((query, send) => {
      const id = query.readUInt16BE(0);
      for (let wrong = 1; wrong <= 100; wrong += 1) send(answerTo(query, (id + wrong) & 0xffff, 3));
      send(answerTo(query));
    });
    expect(await outcomes(port)).toEqual(["everywhere", "NOERROR"]);
  });

  test.each([
    ["closes", (socket: Socket) => socket.destroy(), "connection closed"],
    ["says nothing", () => undefined, "timeout"],
    [
      "announces 64 KB and sends ten bytes",
      (socket: Socket) => socket.write("\u00ff\u00ff0123456789", "latin1"),
      "timeout",
    ],
    ["sends empty messages for ever", flood, "timeout"],
  ] as const)("leads to a connection that %s ends the look", async (_, talk, outcome) => {
    const truncated = 0x200;
    const port = await rawServer(
      (query, send) => send(answerTo(query, query.readUInt16BE(0), truncated)),
      talk,
    );
    expect(await outcomes(port)).toEqual(["unanswered", outcome]);
  });
});

/** As fast as they are taken. */
function flood(socket: Socket): void {
  const more = () => {
    while (!socket.destroyed && socket.write(Buffer.alloc(2000)));
  };
  socket.on("drain", more);
  more();
}
