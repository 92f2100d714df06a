import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { type DnsSettings, openDns } from "../../src/dns/dns.ts";
import {
  startDnsServer,
  startDnsServers,
  testZone,
  type DnsServer,
  type DnsServerSettings,
  type TestRecord,
  type TestZone,
} from "../support/dns-server.ts";

const value = "bW9yZSB0aGFuIGZvcnR5IGNoYXJhY3RlcnMgbG9uZwAA";
const challenge = "_acme-challenge.www.example.test";
const { signal } = new AbortController();

const open: DnsServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

const host = (name: string, address: string): TestRecord => ({ name, type: "A", data: address });
const txt = (name: string, ...data: string[]): TestRecord => ({ name, type: "TXT", data });
const cname = (name: string, data: string): TestRecord => ({ name, type: "CNAME", data });

function settings(port: number, more: Partial<DnsSettings> = {}): DnsSettings {
  return {
    resolvers: [`127.0.0.1:${port}`],
    authoritative: true,
    authoritativePort: port,
    recursive: false,
    queryTimeout: 400,
    ...more,
  };
}

/** A resolver on 127.0.0.1 that knows example.test, and its two name servers on .2 and .3 with zones of their own. */
async function world(
  options: {
    records?: TestRecord[];
    second?: Partial<DnsServerSettings>;
    first?: Partial<DnsServerSettings>;
    resolver?: Partial<DnsServerSettings>;
    /** Zones that the resolver knows besides. */
    others?: TestZone[];
  } = {},
) {
  const nameservers = ["ns1.example.test", "ns2.example.test"];
  const hosts = [host("ns1.example.test", "127.0.0.2"), host("ns2.example.test", "127.0.0.3")];
  const records = options.records ?? [];
  const zone = () => testZone("example.test", nameservers, [...hosts, ...records]);
  const zones = { resolver: zone(), first: zone(), second: zone() };
  const servers = await startDnsServers({
    resolver: {
      address: "127.0.0.1",
      zones: [zones.resolver, ...(options.others ?? [])],
      recursive: true,
      ...options.resolver,
    },
    first: { address: "127.0.0.2", zones: [zones.first], ...options.first },
    second: { address: "127.0.0.3", zones: [zones.second], ...options.second },
  });
  open.push(...Object.values(servers));
  const dns = (more: Partial<DnsSettings> = {}) => openDns(settings(servers.resolver.port, more));
  return { ...servers, zones, dns };
}

describe("looking for a TXT value", () => {
  test("asks every address of every name server, and is satisfied only when all show it", async () => {
    const { zones, dns } = await world();
    zones.first.records.push(txt(challenge, "foreign"), txt(challenge, value));
    const lagging = await dns().lookForTxt(challenge, value, signal);
    expect(lagging.visible).toBe(false);
    expect(lagging.answers).toEqual([
      expect.objectContaining({
        server: expect.stringMatching(/^ns1\.example\.test \(127\.0\.0\.2:\d+\)$/),
        visible: true,
        values: ["foreign", value],
      }),
      expect.objectContaining({ visible: false, outcome: "NXDOMAIN", final: false }),
    ]);
    zones.second.records.push(txt(challenge, value));
    expect((await dns().lookForTxt(challenge, value, signal)).visible).toBe(true);
  });

  test("never lets a resolver hear of the name before the authoritative servers agree", async () => {
    const { zones, dns, resolver } = await world();
    const look = dns({ recursive: true });
    await look.follow(challenge, signal);
    expect((await look.lookForTxt(challenge, value, signal)).visible).toBe(false);
    expect(resolver.asked.map(({ name }) => name)).not.toContain(challenge);
    for (const zone of [zones.first, zones.second]) zone.records.push(txt(challenge, value));
    const slow = await look.lookForTxt(challenge, value, signal);
    expect(slow.visible).toBe(false);
    expect(slow.answers.map(({ role, visible }) => [role, visible])).toEqual([
      ["authoritative", true],
      ["authoritative", true],
      ["recursive", false],
    ]);
    zones.resolver.records.push(txt(challenge, value));
    expect((await look.lookForTxt(challenge, value, signal)).visible).toBe(true);
    expect(resolver.asked.filter(({ name }) => name === challenge)).toHaveLength(2);
  });

  test("asks resolvers alone for split horizon", async () => {
    const { zones, dns, first } = await world();
    zones.resolver.records.push(txt(challenge, value));
    const look = await dns({ authoritative: false }).lookForTxt(challenge, value, signal);
    expect(look).toMatchObject({ visible: true, answers: [{ role: "recursive", visible: true }] });
    expect(first.asked).toEqual([]);
  });

  test("reads values in any order, in chunks, and beyond what UDP carries", async () => {
    const many = Array.from({ length: 60 }, (_, n) => txt(challenge, `${n}-${"x".repeat(40)}`));
    const { dns, first } = await world({
      records: [...many, txt(challenge, value.slice(0, 20), value.slice(20))],
    });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.visible).toBe(true);
    expect(look.answers[0]?.values, "a sample, for people").toHaveLength(20);
    const ways = first.asked.filter(({ type }) => type === "TXT").map(({ via }) => via);
    expect(ways).toEqual(["udp", "tcp"]);
  });

  test("names a dead server, and takes a refusal for final", async () => {
    const { dns } = await world({
      records: [txt(challenge, value)],
      first: { mischief: () => ({ kind: "silence" }) },
      second: { mischief: () => ({ kind: "rcode", rcode: 5 }) },
    });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.visible).toBe(false);
    expect(look.answers).toMatchObject([
      { server: expect.stringContaining("127.0.0.2"), outcome: "timeout", final: false },
      { server: expect.stringContaining("127.0.0.3"), outcome: "REFUSED", final: true },
    ]);
  });

  test("does not believe a server that does not speak for the zone", async () => {
    const { dns } = await world({ records: [txt(challenge, value)], second: { recursive: true } });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.visible).toBe(false);
    expect(look.answers[1]).toMatchObject({
      outcome: "does not speak for the zone example.test",
      final: true,
    });
  });

  test("goes on where a CNAME points, and waits for the target's servers", async () => {
    const { zones, dns } = await world({ records: [cname(challenge, "shop.example.test")] });
    zones.first.records.push(txt("shop.example.test", value));
    expect((await dns().lookForTxt(challenge, value, signal)).visible).toBe(false);
    zones.second.records.push(txt("shop.example.test", value));
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.visible).toBe(true);
    expect(look.answers[0]?.outcome).toBe("CNAME to shop.example.test");
  });

  test("does not run after CNAMEs in a circle", async () => {
    const { dns } = await world({
      records: [cname(challenge, "b.example.test"), cname("b.example.test", challenge)],
    });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.visible).toBe(false);
    expect(look.answers.at(-1)).toMatchObject({ final: true });
  });

  test("leaves out an IPv6 address that this machine has no route to, but not a silent one", async () => {
    // 2001:db8::/32 is documentation space: no route at all, or a timeout where there is a default route.
    const { dns } = await world({
      records: [
        txt(challenge, value),
        { name: "ns1.example.test", type: "AAAA", data: "2001:db8::1" },
      ],
    });
    const look = await dns().lookForTxt(challenge, value, signal);
    const v6 = look.answers.find(({ server }) => server.includes("[2001:db8::1]"));
    expect(v6?.visible).toBe(false);
    expect(look.visible).toBe(v6?.ignored === true);
    expect(v6?.ignored === true).toBe(v6?.outcome === "no route from this machine");
  });

  test("reports a zone that cannot be found as an answer, so that waiting goes on", async () => {
    const { dns } = await world({ resolver: { mischief: () => ({ kind: "rcode", rcode: 2 }) } });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.visible).toBe(false);
    expect(look.answers[0]?.outcome).toContain("SERVFAIL");
  });

  test("escapes what others wrote into the DNS", async () => {
    const { dns } = await world({ records: [txt(challenge, "\u001b[31mred")] });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.answers[0]?.values).toEqual(["\\027[31mred"]);
  });
});

describe("finding the zone", () => {
  test("climbs to the apex and tells its name servers", async () => {
    const { dns } = await world();
    expect(await dns().findZone(challenge, signal)).toEqual({
      name: "example.test",
      nameservers: ["ns1.example.test", "ns2.example.test"],
    });
  });

  test("finds a delegated child, though the resolver was not asked for it before", async () => {
    const delegation: TestRecord = { name: challenge, type: "NS", data: "ns2.example.test" };
    const { dns, first } = await world({ records: [delegation] });
    expect(await dns().findZone(challenge, signal)).toEqual({
      name: challenge,
      nameservers: ["ns2.example.test"],
    });
    expect(first.asked).toMatchObject([{ name: challenge, type: "SOA", recurse: false }]);
  });

  test("is not taken in by the SOA of a CNAME's target", async () => {
    const { dns } = await world({
      records: [cname(challenge, "other.test")],
      others: [testZone("other.test", ["ns1.example.test"])],
    });
    for (const authoritative of [true, false]) {
      const zone = await dns({ authoritative }).findZone(challenge, signal);
      expect(zone.name).toBe("example.test");
    }
  });

  test("is found though resolvers choke on the name's CNAME", async () => {
    const { dns } = await world({ records: [cname("shop.example.test", "shop.example.test")] });
    expect((await dns().findZone("shop.example.test", signal)).name).toBe("example.test");
  });

  test("says that no zone holds an unregistered name", async () => {
    const { dns } = await world();
    await expect(dns().findZone("www.exmaple.invalid", signal)).rejects.toMatchObject({
      message: expect.stringContaining("No DNS zone holds www.exmaple.invalid"),
      hint: expect.stringContaining("spelling"),
      exitCode: 2,
    });
  });

  test("says so when every resolver refuses", async () => {
    const { dns } = await world({ resolver: { mischief: () => ({ kind: "rcode", rcode: 5 }) } });
    await expect(dns().findZone(challenge, signal)).rejects.toMatchObject({
      hint: expect.stringContaining("--dns-resolvers"),
    });
  });

  test("takes the next resolver when one is dead, and names all when none answers", async () => {
    const { dns, resolver } = await world();
    const dead = await startDnsServer({ zones: [], mischief: () => ({ kind: "silence" }) });
    open.push(dead);
    const zone = await dns({
      resolvers: [dead.server, resolver.server],
      queryTimeout: 100,
    }).findZone(challenge, signal);
    expect(zone.name).toBe("example.test");
    expect(dead.asked.filter(({ name }) => name === "www.example.test")).not.toEqual([]);
    // Once it was silent, it is asked last: no other question waits for it.
    expect(new Set(dead.asked.map(({ name }) => name)).size).toBe(1);
    const none = dns({ resolvers: [dead.server, "127.0.0.1:1"], queryTimeout: 100 });
    await expect(none.findZone(challenge, signal)).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(/timeout; 127\.0\.0\.1:1: nothing listens there/),
    });
  });
});

describe("following CNAMEs", () => {
  test("goes through one hop and through many, to a name that need not exist", async () => {
    const { dns } = await world({
      records: [cname(challenge, "a.example.test"), cname("a.example.test", "b.example.test")],
    });
    expect(await dns().follow(challenge, signal)).toEqual({
      name: "b.example.test",
    });
    expect(await dns().follow("www.example.test", signal)).toEqual({
      name: "www.example.test",
    });
  });

  test("refuses a circle and an endless chain, with the whole way in the text", async () => {
    const chain = Array.from({ length: 30 }, (_, n) =>
      cname(`c${n}.example.test`, `c${n + 1}.example.test`),
    );
    const { dns } = await world({
      records: [
        cname("x.example.test", "y.example.test"),
        cname("y.example.test", "x.example.test"),
        ...chain,
      ],
    });
    await expect(dns().follow("x.example.test", signal)).rejects.toThrow(
      "x.example.test → y.example.test → x.example.test",
    );
    await expect(dns().follow("c0.example.test", signal)).rejects.toThrow("More than 16 CNAMEs");
  });

  test("falls back to the resolvers when no name server can be reached", async () => {
    const { dns } = await world({
      records: [cname(challenge, "a.example.test")],
      first: { mischief: () => ({ kind: "silence" }) },
      second: { mischief: () => ({ kind: "silence" }) },
    });
    expect((await dns({ queryTimeout: 50 }).follow(challenge, signal)).name).toBe("a.example.test");
  });

  test("ignores a target that is no name", async () => {
    const { dns } = await world({ records: [cname(challenge, "evil name\u0007.example.test")] });
    expect((await dns().follow(challenge, signal)).name).toBe(challenge);
  });
});

describe("addresses", () => {
  test("come for both families, through CNAMEs, and may be none", async () => {
    const { dns } = await world({
      records: [
        cname("www.example.test", "web.example.test"),
        host("web.example.test", "192.0.2.7"),
        { name: "web.example.test", type: "AAAA", data: "2001:db8::7" },
      ],
    });
    expect(await dns().addresses("www.example.test", signal)).toEqual(["192.0.2.7", "2001:db8::7"]);
    expect(await dns().addresses("nothing.example.test", signal)).toEqual([]);
  });
});

describe("hostile and broken servers", () => {
  test("an answer to another question, or with another id, is not taken", async () => {
    const { dns } = await world({
      records: [txt(challenge, value)],
      first: {
        mischief: ({ type }) =>
          type === "TXT"
            ? {
                kind: "packet",
                change: (packet) => ({ ...packet, id: ((packet.id ?? 0) + 1) & 0xffff }),
              }
            : undefined,
      },
      second: {
        mischief: ({ type }) =>
          type === "TXT"
            ? {
                kind: "packet",
                change: (packet) => ({
                  ...packet,
                  questions: [{ name: "other.example.test", type: "TXT" }],
                }),
              }
            : undefined,
      },
    });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.answers.map(({ outcome }) => outcome)).toEqual(["timeout", "timeout"]);
  });

  test("random bytes, cut messages and pointer loops end as an outcome, never as a crash", async () => {
    let round = 0;
    const noisy = await startDnsServer({
      zones: [],
      mischief: () => ({ kind: "raw", bytes: (query) => junk(query, ++round) }),
    });
    open.push(noisy);
    const dns = openDns(settings(noisy.port, { authoritative: false, queryTimeout: 30 }));
    const looks = await Promise.all(
      Array.from({ length: 150 }, (_, n) => dns.lookForTxt(`n${n}.example.test`, value, signal)),
    );
    expect(looks.every(({ visible }) => !visible)).toBe(true);
    expect(round).toBeGreaterThanOrEqual(150);
  });

  test("a server from before EDNS is asked again without it", async () => {
    const { dns, first } = await world({
      records: [txt(challenge, value)],
      first: {
        mischief: () => (first.asked.length % 2 === 1 ? { kind: "rcode", rcode: 1 } : undefined),
      },
    });
    expect((await dns().lookForTxt(challenge, value, signal)).visible).toBe(true);
  });

  test("an aborted signal ends a question at once", async () => {
    const silent = await startDnsServer({ zones: [], mischief: () => ({ kind: "silence" }) });
    open.push(silent);
    const controller = new AbortController();
    const dns = openDns(settings(silent.port, { queryTimeout: 60_000 }));
    const asking = dns.lookForTxt(challenge, value, controller.signal);
    setTimeout(() => controller.abort(new Error("Ctrl-C")), 20);
    await expect(asking).rejects.toThrow("Ctrl-C");
    await expect(dns.findZone(challenge, controller.signal)).rejects.toThrow("Ctrl-C");
  });

  test("a name or resolver that cannot be asked is a Problem that quotes it", async () => {
    await expect(openDns(settings(53)).findZone("a b.example.test", signal)).rejects.toMatchObject({
      message: expect.stringContaining('"a b.example.test"'),
      exitCode: 2,
    });
    for (const wrong of ["dns.example", "127.0.0.1:0", "127.0.0.1:70000", "[::1", "http://x/"]) {
      expect(() => openDns({ ...settings(53), resolvers: [wrong] })).toThrow(`"${wrong}"`);
    }
    expect(() => openDns({ ...settings(53), resolvers: ["::1", "[::1]:5353"] })).not.toThrow();
  });
});

function junk(query: Buffer, round: number): Buffer {
  const loop = Buffer.from([0xc0, 0x0c, 0, 16, 0, 1, 0, 0, 0, 0, 0, 4, 0xc0, 0x0c, 0xc0, 0x0e]);
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8400, 2);
  header.writeUInt16BE(round % 7, 6);
  header.writeUInt16BE(0, 10);
  const body = round % 3 === 0 ? loop : randomBytes(round * 3);
  return Buffer.concat([header, query.subarray(12, query.length - 11), body]);
}
