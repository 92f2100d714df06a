import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { type DnsSettings, openDns } from "../../src/dns/dns.ts";
import {
  type Mischief,
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
  test("sees a value everywhere only when every name server shows it", async () => {
    const { zones, dns } = await world();
    zones.first.records.push(txt(challenge, "foreign"), txt(challenge, value));
    const lagging = await dns().lookForTxt(challenge, value, signal);
    expect(lagging.verdict).toBe("missing");
    expect(lagging.answers).toEqual([
      expect.objectContaining({
        server: expect.stringMatching(/^ns1\.example\.test \(127\.0\.0\.2:\d+\)$/),
        state: "shows",
        values: ["foreign", value],
      }),
      expect.objectContaining({ state: "missing", outcome: "NXDOMAIN" }),
    ]);
    zones.second.records.push(txt(challenge, value));
    expect((await dns().lookForTxt(challenge, value, signal)).verdict).toBe("everywhere");
  });

  test("asks the resolvers for the record only after every authoritative server shows it", async () => {
    const { zones, dns, resolver } = await world();
    const look = dns({ recursive: true });
    await look.follow(challenge, signal);
    expect((await look.lookForTxt(challenge, value, signal)).verdict).toBe("missing");
    expect(resolver.asked.map(({ name }) => name)).not.toContain(challenge);
    for (const zone of [zones.first, zones.second]) zone.records.push(txt(challenge, value));
    const slow = await look.lookForTxt(challenge, value, signal);
    expect(slow.verdict).toBe("missing");
    expect(slow.answers.map(({ role, state }) => [role, state])).toEqual([
      ["authoritative", "shows"],
      ["authoritative", "shows"],
      ["recursive", "missing"],
    ]);
    zones.resolver.records.push(txt(challenge, value));
    expect((await look.lookForTxt(challenge, value, signal)).verdict).toBe("everywhere");
    expect(resolver.asked.filter(({ name }) => name === challenge)).toHaveLength(2);
  });

  test("asks only the resolvers for split-horizon DNS", async () => {
    const { zones, dns, first } = await world();
    zones.resolver.records.push(txt(challenge, value));
    const look = await dns({ authoritative: false }).lookForTxt(challenge, value, signal);
    expect(look).toMatchObject({
      verdict: "everywhere",
      answers: [{ role: "recursive", state: "shows" }],
    });
    expect(first.asked).toEqual([]);
  });

  test("reads values in any order, in chunks, and beyond what UDP carries", async () => {
    const many = Array.from({ length: 60 }, (_, n) => txt(challenge, `${n}-${"x".repeat(40)}`));
    const { dns, first } = await world({
      records: [...many, txt(challenge, value.slice(0, 20), value.slice(20))],
    });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.verdict).toBe("everywhere");
    expect(look.answers[0]?.values, "a sample, for people").toHaveLength(20);
    const ways = first.asked.filter(({ type }) => type === "TXT").map(({ via }) => via);
    expect(ways).toEqual(["udp", "tcp"]);
  });

  test("reports a dead server and one that refuses", async () => {
    const { dns } = await world({
      records: [txt(challenge, value)],
      first: { mischief: () => ({ kind: "silence" }) },
      second: { mischief: () => ({ kind: "rcode", rcode: 5 }) },
    });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.verdict).toBe("unanswered");
    expect(look.answers).toMatchObject([
      { server: expect.stringContaining("127.0.0.2"), outcome: "timeout", state: "silent" },
      { server: expect.stringContaining("127.0.0.3"), outcome: "REFUSED", state: "fails" },
    ]);
  });

  test.each<[string, Mischief]>([
    ["dead", { kind: "silence" }],
    ["broken", { kind: "rcode", rcode: 2 }],
    ["lame", { kind: "rcode", rcode: 5 }],
  ])("a %s server does not spoil what the other one shows", async (_, mischief) => {
    const { dns } = await world({
      records: [txt(challenge, value)],
      second: { mischief: () => mischief },
    });
    expect((await dns().lookForTxt(challenge, value, signal)).verdict).toBe("enough");
    const { verdict } = await dns().lookForTxt(challenge, "another value", signal);
    expect(verdict).toBe("missing");
  });

  test("ignores the answer of a server that is not authoritative for the zone", async () => {
    const { dns } = await world({ records: [txt(challenge, value)], second: { recursive: true } });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.verdict).toBe("enough");
    expect(look.answers[1]).toMatchObject({
      outcome: "not authoritative for the zone example.test",
      state: "fails",
    });
  });

  test("follows a CNAME to the servers of its target", async () => {
    const { zones, dns } = await world({ records: [cname(challenge, "shop.example.test")] });
    zones.first.records.push(txt("shop.example.test", value));
    expect((await dns().lookForTxt(challenge, value, signal)).verdict).toBe("missing");
    zones.second.records.push(txt("shop.example.test", value));
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.verdict).toBe("everywhere");
    expect(look.answers[0]?.outcome).toBe("CNAME to shop.example.test");
  });

  test("stops at a loop of CNAMEs", async () => {
    const { dns } = await world({
      records: [cname(challenge, "b.example.test"), cname("b.example.test", challenge)],
    });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.verdict).toBe("missing");
    expect(look.answers.at(-1)?.outcome).toContain("loop");
  });

  // A link-local address without a scope is one to which no machine has a route.
  const v6 = (name: string): TestRecord => ({ name, type: "AAAA", data: "fe80::1" });

  test("ignores the IPv6 address of a name server to which this machine has no route", async () => {
    const { dns } = await world({ records: [txt(challenge, value), v6("ns1.example.test")] });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.verdict).toBe("everywhere");
    const answer = look.answers.find(({ server }) => server.includes("[fe80::1]"));
    expect(answer).toMatchObject({ state: "unreachable", outcome: "no route from this machine" });
  });

  test("shows nothing when this machine has no route to any name server", async () => {
    const lost = testZone("lost.test", ["ns.lost.test"], [v6("ns.lost.test")]);
    const { dns } = await world({ others: [lost] });
    const look = await dns().lookForTxt("_acme-challenge.lost.test", value, signal);
    expect(look.verdict).toBe("unanswered");
    expect(look.answers.map(({ state }) => state)).toEqual(["unreachable"]);
  });

  test("asks the next resolver when this machine has no route to the first one", async () => {
    const { resolver } = await world({ records: [host("www.example.test", "192.0.2.7")] });
    const resolvers = ["fe80::1", resolver.server];
    const dns = openDns(settings(resolver.port, { resolvers }));
    expect(await dns.addresses("www.example.test", signal)).toEqual(["192.0.2.7"]);
    const alone = openDns(settings(resolver.port, { resolvers: ["fe80::1"] }));
    await expect(alone.addresses("www.example.test", signal)).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining("[fe80::1]:53: no route from this machine"),
    });
  });

  test("reports a zone that is not found as an answer, so that waiting continues", async () => {
    const { dns } = await world({ resolver: { mischief: () => ({ kind: "rcode", rcode: 2 }) } });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.verdict).toBe("unanswered");
    expect(look.answers[0]?.outcome).toContain("SERVFAIL");
  });

  test("escapes control characters in TXT records", async () => {
    const { dns } = await world({ records: [txt(challenge, "\u001b[31mred")] });
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.answers[0]?.values).toEqual(["\\027[31mred"]);
  });
});

describe("finding the zone", () => {
  test("finds the apex and its name servers", async () => {
    const { dns } = await world();
    expect(await dns().findZone(challenge, signal)).toEqual({
      name: "example.test",
      nameservers: ["ns1.example.test", "ns2.example.test"],
    });
  });

  test("finds a delegated child zone without asking the resolver for its name", async () => {
    const delegation: TestRecord = { name: challenge, type: "NS", data: "ns2.example.test" };
    const { dns, first } = await world({ records: [delegation] });
    expect(await dns().findZone(challenge, signal)).toEqual({
      name: challenge,
      nameservers: ["ns2.example.test"],
    });
    expect(first.asked).toMatchObject([{ name: challenge, type: "SOA", recurse: false }]);
  });

  test("ignores the SOA of a CNAME's target", async () => {
    const { dns } = await world({
      records: [cname(challenge, "other.test")],
      others: [testZone("other.test", ["ns1.example.test"])],
    });
    for (const authoritative of [true, false]) {
      const zone = await dns({ authoritative }).findZone(challenge, signal);
      expect(zone.name).toBe("example.test");
    }
  });

  test("finds the zone when resolvers fail on the name's CNAME", async () => {
    const { dns } = await world({ records: [cname("shop.example.test", "shop.example.test")] });
    expect((await dns().findZone("shop.example.test", signal)).name).toBe("example.test");
  });

  test("reports that no zone contains an unregistered name", async () => {
    const { dns } = await world();
    await expect(dns().findZone("www.exmaple.invalid", signal)).rejects.toMatchObject({
      message: expect.stringContaining("No DNS zone contains www.exmaple.invalid"),
      hint: expect.stringContaining("spelling"),
      exitCode: 2,
    });
  });

  test("reports that every resolver refuses", async () => {
    const { dns } = await world({ resolver: { mischief: () => ({ kind: "rcode", rcode: 5 }) } });
    await expect(dns().findZone(challenge, signal)).rejects.toMatchObject({
      hint: expect.stringContaining("--dns-resolvers"),
    });
  });

  test("asks the next resolver when one is dead, and reports all when none answers", async () => {
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
  test("follows several CNAMEs to a name that need not exist", async () => {
    const { dns } = await world({
      records: [cname(challenge, "a.example.test"), cname("a.example.test", "b.example.test")],
    });
    expect(await dns().follow(challenge, signal)).toEqual({ name: "b.example.test", warnings: [] });
    expect((await dns().follow("www.example.test", signal)).name).toBe("www.example.test");
  });

  test("refuses a loop and a chain that is too long, and shows the names", async () => {
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
    await expect(dns().follow("c0.example.test", signal)).rejects.toThrow("more than 16 CNAMEs");
  });

  test("asks the resolvers when no name server can be reached", async () => {
    const { dns } = await world({
      records: [cname(challenge, "a.example.test")],
      first: { mischief: () => ({ kind: "silence" }) },
      second: { mischief: () => ({ kind: "silence" }) },
    });
    expect((await dns({ queryTimeout: 50 }).follow(challenge, signal)).name).toBe("a.example.test");
  });

  test("ignores a target that is not a valid name", async () => {
    const { dns } = await world({ records: [cname(challenge, "evil name\u0007.example.test")] });
    expect((await dns().follow(challenge, signal)).name).toBe(challenge);
  });
});

describe("a wildcard CNAME", () => {
  const wildcard = { name: "*.example.test", type: "CNAME", data: "lb.other.test" } as const;

  test("is not followed: the record is written at the name itself, with a warning", async () => {
    const { dns } = await world({ records: [wildcard] });
    for (const authoritative of [true, false]) {
      const followed = await dns({ authoritative }).follow("_acme-challenge.example.test", signal);
      expect(followed.name).toBe("_acme-challenge.example.test");
      expect(followed.warnings.join()).toMatch(/only through a wildcard \(\*\.example\.test\)/);
    }
  });

  test("does not count as the record on a server that does not have it yet", async () => {
    const { dns, zones } = await world({ records: [wildcard] });
    const name = "_acme-challenge.example.test";
    zones.first.records.push(txt(name, value));
    const look = await dns().lookForTxt(name, value, signal);
    expect(look.answers.map(({ state }) => state)).toEqual(["shows", "missing"]);
    zones.second.records.push(txt(name, value));
    expect((await dns().lookForTxt(name, value, signal)).verdict).toBe("everywhere");
  });

  test("beside an explicit CNAME does not stop that one from being followed", async () => {
    const explicit = cname("_acme-challenge.example.test", "acme.other.test");
    const others = [testZone("other.test", ["ns1.example.test"])];
    const { dns } = await world({ records: [wildcard, explicit], others });
    const { name } = await dns().follow("_acme-challenge.example.test", signal);
    expect(name).toBe("acme.other.test");
  });
});

describe("a load balancer that serves a delegated zone", () => {
  const name = "_acme-challenge.www.gtm.example.test";
  /** Its answer to SOA, NS and CNAME queries; what it does with A and TXT is right. */
  const failures: [string, Mischief][] = [
    ["REFUSED", { kind: "rcode", rcode: 5 }],
    ["NOTIMP", { kind: "rcode", rcode: 4 }],
    ["NXDOMAIN", { kind: "rcode", rcode: 3 }],
    ["nothing", { kind: "silence" }],
  ];

  async function delegated(mischief: Mischief) {
    const delegation: TestRecord = {
      name: "gtm.example.test",
      type: "NS",
      data: "lb.example.test",
    };
    const records = [delegation, host("lb.example.test", "127.0.0.4")];
    const served = testZone("gtm.example.test", ["lb.example.test"], [txt(name, value)]);
    // The resolver fails where the load balancer does.
    const strange = ({ name, type }: { name: string; type: string }) =>
      ["SOA", "NS", "CNAME"].includes(type) && name.endsWith("gtm.example.test");
    const here = await world({
      records,
      others: [served],
      resolver: { mischief: (asked) => (strange(asked) ? { kind: "rcode", rcode: 2 } : undefined) },
    });
    const balancer = await startDnsServer({
      address: "127.0.0.4",
      port: here.resolver.port,
      zones: [served],
      mischief: (asked) => (strange(asked) ? mischief : undefined),
    });
    open.push(balancer);
    return here.dns({ queryTimeout: 100 });
  }

  test.each(failures)(
    "and answers SOA, NS and CNAME with %s is no obstacle",
    async (_, mischief) => {
      const dns = await delegated(mischief);
      expect((await dns.follow(name, signal)).name).toBe(name);
      expect(await dns.findZone(name, signal)).toEqual({
        name: "gtm.example.test",
        nameservers: ["lb.example.test"],
      });
      expect((await dns.lookForTxt(name, value, signal)).verdict).toBe("everywhere");
    },
  );
});

describe("servers that fail on SOA and NS queries", () => {
  test("servers that fail on SOA and NS are skipped with a warning, and the resolvers asked", async () => {
    const { dns } = await world({
      records: [txt(challenge, value)],
      resolver: {
        mischief: ({ type }) =>
          ["SOA", "NS"].includes(type) ? { kind: "rcode", rcode: 2 } : undefined,
      },
    });
    const { name, warnings } = await dns().follow(challenge, signal);
    expect(name).toBe(challenge);
    expect(warnings.join()).toMatch(/zone of .* was not found, so the resolvers are asked/);
    const look = await dns().lookForTxt(challenge, value, signal);
    expect(look.verdict).toBe("unanswered");
    const after = await dns().lookForTxt(challenge, value, signal, { fallBack: true });
    expect(after.verdict).toBe("enough");
  });

  test("get a hint with the options that do without them when CNAME queries fail too", async () => {
    const { dns } = await world({
      resolver: { mischief: () => ({ kind: "rcode", rcode: 2 }) },
      first: { mischief: () => ({ kind: "rcode", rcode: 5 }) },
      second: { mischief: () => ({ kind: "rcode", rcode: 5 }) },
    });
    await expect(dns().follow(challenge, signal)).rejects.toMatchObject({
      hint: expect.stringContaining("--dns-cname none"),
    });
    await expect(dns().findZone(challenge, signal)).rejects.toMatchObject({
      hint: expect.stringMatching(/--dns-cname none .*--no-dns-authoritative/),
    });
  });
});

describe("a resolver that remembers", () => {
  const target = "8e57.auth.example.test";

  test.each([true, false])(
    "is not asked for a record before it is written (authoritative: %s)",
    async (authoritative) => {
      const { dns, resolver } = await world({ records: [cname(challenge, target)] });
      const asking = dns({ authoritative });
      expect((await asking.follow(challenge, signal)).name).toBe(target);
      expect((await asking.findZone(target, signal)).name).toBe("example.test");
      expect((await asking.findZone(challenge, signal)).name).toBe("example.test");
      const names = resolver.asked.map(({ name }) => name);
      expect(names).not.toContain(challenge);
      expect(names).not.toContain(target);
    },
  );

  test.each([true, false])(
    "is not asked for the target of a CNAME when no name server answers (authoritative: %s)",
    async (authoritative) => {
      const { dns, resolver } = await world({
        records: [cname(challenge, target)],
        first: { mischief: () => ({ kind: "silence" }) },
        second: { mischief: () => ({ kind: "silence" }) },
      });
      const asking = dns({ authoritative, queryTimeout: 50 });
      const { name, warnings } = await asking.follow(challenge, signal);
      expect(name).toBe(target);
      expect(warnings.join()).toMatch(/the name servers of 8e57.* do not answer/);
      const names = resolver.asked.map(({ name }) => name);
      expect(names).toContain(challenge);
      expect(names).not.toContain(target);
    },
  );

  test("is reported with the time for which it repeats its answer", async () => {
    const { dns, zones } = await world();
    const split = dns({ authoritative: false });
    const none = await split.lookForTxt(challenge, value, signal);
    // The SOA of the test zones has a TTL and a minimum of 1 s.
    expect(none.answers).toMatchObject([{ state: "missing", remembers: 1000 }]);
    zones.resolver.records.push({ ...txt(challenge, "old"), ttl: 40 });
    const old = await split.lookForTxt(challenge, value, signal);
    expect(old.answers).toMatchObject([{ state: "missing", remembers: 40_000 }]);
  });
});

describe("addresses", () => {
  test("are found for both families, through CNAMEs", async () => {
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
  test("an answer to another question, or with another id, is ignored", async () => {
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

  test("random bytes, cut messages and pointer loops are reported as an outcome", async () => {
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
    expect(looks.every(({ verdict }) => verdict !== "everywhere")).toBe(true);
    expect(round).toBeGreaterThanOrEqual(150);
  });

  test("a server without EDNS is asked again without it", async () => {
    const { dns, first } = await world({
      records: [txt(challenge, value)],
      first: {
        mischief: () => (first.asked.length % 2 === 1 ? { kind: "rcode", rcode: 1 } : undefined),
      },
    });
    expect((await dns().lookForTxt(challenge, value, signal)).verdict).toBe("everywhere");
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

  test("an invalid name or resolver is a Problem that quotes it", async () => {
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
