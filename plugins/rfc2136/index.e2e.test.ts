import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Dns01Challenge, OptionsOf } from "acmectl/plugin";
import { challengeFor, silentLog, solverConformance, solverContext } from "acmectl/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBind } from "../../test/support/servers/bind.ts";
import type { Bind } from "../../test/support/servers/bind.ts";
import { available, program } from "../../test/support/servers/catalog.ts";
import { startKnot } from "../../test/support/servers/knot.ts";
import type { NameServer, TsigKey } from "../../test/support/servers/nameserver.ts";
import { startPowerDns } from "../../test/support/servers/powerdns.ts";
import { keyFrom } from "./key.ts";
import rfc2136, { updatingSolver } from "./index.ts";

type Options = OptionsOf<typeof rfc2136.options>;

const key: TsigKey = {
  name: "acme-sha256",
  algorithm: "hmac-sha256",
  secret: Buffer.from("the key that all servers know").toString("base64"),
};
const zones = [
  {
    name: "example.test",
    records: [
      "_acme-challenge.alias IN CNAME elsewhere.example.net.",
      "sub IN NS ns.sub",
      "ns.sub IN A 127.0.0.1",
    ],
  },
  { name: "other.test" },
  { name: "wildcard.test", records: ["* IN CNAME lb.example.net.", "www IN A 192.0.2.1"] },
];
const call = { signal: new AbortController().signal };

const optionsFor = (server: string, more: Partial<Options> = {}): Options => ({
  server,
  port: undefined,
  zone: undefined,
  tsigKeyName: key.name,
  tsigSecret: key.secret,
  tsigAlgorithm: key.algorithm,
  tsigFile: undefined,
  tsigKey: undefined,
  protocol: "tcp",
  signQuery: false,
  ttl: 60,
  timeout: 5000,
  ...more,
});
const without = { tsigKeyName: undefined, tsigSecret: undefined, tsigAlgorithm: undefined };
const solverAt = (server: NameServer, more: Partial<Options> = {}) =>
  rfc2136.create(optionsFor(server.server, more), solverContext());
const targetOf = ({ identifier, wildcard, recordName }: Dns01Challenge) => ({
  identifier,
  wildcard,
  recordName,
});

const servers = [
  ["BIND", "bind", () => startBind({ zones, keys: [key] })],
  ["Knot", "knot", () => startKnot({ zones, keys: [key] })],
  ["PowerDNS", "powerdns", () => startPowerDns({ zones, keys: [key] })],
] as const;

describe.each(servers)("%s", (name, part, start) => {
  describe.skipIf(!available(part) || !available("bind"))("as the primary server", () => {
    let server: NameServer;
    // The cases are listed before the server runs, and read its address when they do.
    const late = (options: () => Partial<Options>): Options =>
      new Proxy(optionsFor(""), {
        get: (target, property) =>
          Reflect.get({ ...target, server: server.server, ...options() }, property),
      });
    beforeAll(async () => void (server = await start()));
    afterAll(() => server.close());

    const foreign = "somebody else's";
    const silent = name === "PowerDNS";
    const suite = solverConformance({
      plugin: rfc2136,
      options: late(() => ({})),
      visible: async ({ recordName }) =>
        (await server.txt(recordName)).map(({ value }) => value).filter((v) => v !== foreign),
      foreign: {
        async plant({ recordName }) {
          const change = [`zone example.test`, `update add ${recordName} 777 TXT "${foreign}"`];
          expect(await server.update(change, key)).toMatchObject({ code: 0 });
        },
        look: async ({ recordName }) =>
          (await server.txt(recordName)).filter(({ value }) => value === foreign),
        async remove({ recordName }) {
          await server.update(["zone example.test", `update delete ${recordName} TXT`], key);
        },
      },
      broken: [
        {
          when: "no key is given",
          options: late(() => without),
          says: /requires a TSIG key/,
        },
        {
          when: "the secret is another",
          options: late(() => ({ tsigSecret: Buffer.from("another").toString("base64") })),
          says: silent ? /the same secret/ : /another secret \(BADSIG\)/,
        },
        {
          when: "the key is unknown",
          options: late(() => ({ tsigKeyName: "nobody" })),
          says: silent ? /has a key nobody/ : /no TSIG key nobody .* \(BADKEY\)/,
        },
        {
          when: "the key has another algorithm",
          options: late(() => ({ tsigAlgorithm: "HMACSHA512" })),
          says: silent ? /algorithm hmac-sha512/ : /with algorithm hmac-sha512 .*\(BADKEY\)/,
        },
        {
          when: "the server does not have the zone that is given",
          options: late(() => ({ zone: "test" })),
          says: /not the primary server of zone test \(NOTAUTH\)/,
        },
      ],
    });
    for (const { name, run } of suite) test(name, run);

    test("reports a clock that is off by an hour", async () => {
      const { tsigKeyName, tsigSecret, tsigAlgorithm, ...rest } = optionsFor(server.server);
      const solver = updatingSolver({
        ...rest,
        host: server.address,
        port: server.port,
        log: silentLog,
        key: await keyFrom({ ...rest, tsigKeyName, tsigSecret, tsigAlgorithm }),
        now: () => Date.now() + 3_600_000,
      });
      const challenge = challengeFor("dns-01", "example.test");
      await expect(solver.present(challenge, call)).rejects.toSatisfy((error) =>
        (silent
          ? /clocks differ by less than five minutes/
          : /BADTIME, (3599|3600|3601) s ahead/
        ).test(`${error}${error.hint}`),
      );
    });

    test("a name in a child zone, or that is a CNAME, fails before anything is written", async () => {
      const solver = await solverAt(server);
      const below = challengeFor("dns-01", "www.sub.example.test");
      await expect(solver.preflight?.([targetOf(below)], call)).rejects.toThrow(
        /lies in zone sub\.example\.test, which .* delegates to ns\.sub\.example\.test/,
      );
      const alias = challengeFor("dns-01", "alias.example.test");
      await expect(solver.present(alias, call)).rejects.toThrow(
        "_acme-challenge.alias.example.test is a CNAME to elsewhere.example.net",
      );
      await expect(solver.present(challengeFor("dns-01", "absent.test"), call)).rejects.toThrow(
        "is not authoritative for any zone that holds _acme-challenge.absent.test",
      );
      await solver.cleanup(below, undefined, call);
      await solver.cleanup(alias, undefined, call);
    });

    test("a wildcard CNAME does not prevent a record at the name itself", async () => {
      const solver = await solverAt(server);
      const challenge = challengeFor("dns-01", "shop.wildcard.test");
      const apex = challengeFor("dns-01", "wildcard.test");
      await solver.preflight?.([targetOf(challenge), targetOf(apex)], call);
      const receipts = await solver.presentAll?.([challenge, apex], call);
      expect(receipts?.map(({ zone }) => zone)).toEqual(["wildcard.test", "wildcard.test"]);
      expect(await server.txt(challenge.recordName)).toEqual([
        { value: challenge.recordValue, ttl: 60 },
      ]);
      await solver.cleanup(challenge, undefined, call);
      await solver.cleanup(apex, receipts?.[1], call);
      expect(await server.txt(apex.recordName)).toEqual([]);
      await solver.cleanup(apex, undefined, call);
    });

    test("the TTL of a wildcard's TXT records is not taken", async () => {
      const change = (what: string) => server.update(["zone example.test", what], key);
      await change('update add *.txt.example.test 777 TXT "everywhere"');
      const solver = await solverAt(server);
      const challenge = challengeFor("dns-01", "txt.example.test");
      await solver.present(challenge, call);
      expect(await server.txt(challenge.recordName)).toEqual([
        { value: challenge.recordValue, ttl: 60 },
      ]);
      await solver.cleanup(challenge, undefined, call);
      await change("update delete *.txt.example.test TXT");
    });

    test("preflight does not change the zone or its serial", async () => {
      const before = await server.dig("+short", "SOA", "example.test");
      const solver = await solverAt(server);
      const names = ["example.test", "www.example.test", "other.test"];
      await solver.preflight?.(
        names.map((each) => targetOf(challengeFor("dns-01", each))),
        call,
      );
      expect(await server.dig("+short", "SOA", "example.test")).toBe(before);
      expect(await server.txt("_acme-challenge.example.test")).toEqual([]);
    });

    test("100 names in two zones take one UPDATE per zone to present and one to clean up", async () => {
      const proxy = await countingProxy(server);
      const solver = await rfc2136.create(optionsFor(`127.0.0.1:${proxy.port}`), solverContext());
      const challenges = Array.from({ length: 100 }, (_, n) =>
        challengeFor("dns-01", `host${n}.${n % 2 === 0 ? "example" : "other"}.test`),
      );
      const receipts = await solver.presentAll?.(challenges, call);
      expect(proxy.updates()).toBe(2);
      for (const { recordName, recordValue } of [challenges[0], challenges[99]].flatMap(
        (c) => c ?? [],
      )) {
        expect(await server.txt(recordName)).toEqual([{ value: recordValue, ttl: 60 }]);
      }
      const items = challenges.map((challenge, n) => ({ challenge, receipt: receipts?.[n] }));
      await solver.cleanupAll?.(items, call);
      expect(proxy.updates()).toBe(4);
      expect(await server.txt("_acme-challenge.host99.other.test")).toEqual([]);
      proxy.close();
    });

    test("UDP works, with TCP for large messages", async () => {
      const solver = await solverAt(server, { protocol: "udp" });
      const challenges = Array.from({ length: 12 }, () =>
        challengeFor("dns-01", "udp.example.test"),
      );
      const [first] = challenges;
      if (first === undefined) throw new Error("no challenge");
      const receipt = await solver.present(first, call);
      expect(await server.txt(first.recordName)).toHaveLength(1);
      await solver.presentAll?.(challenges, call);
      expect(await server.txt(first.recordName)).toHaveLength(12);
      const items = challenges.map((challenge) => ({ challenge, receipt: undefined }));
      await solver.cleanupAll?.(items, call);
      await solver.cleanup(first, receipt, call);
      expect(await server.txt(first.recordName)).toEqual([]);
    });

    test("eight processes that write to one name lose no value", async () => {
      const record = "_acme-challenge.example.test";
      await server.update(["zone example.test", `update add ${record} 777 TXT "${foreign}"`], key);
      const writers = Array.from({ length: 8 }, () => writer(server));
      const values = await Promise.all(writers.map(({ presented }) => presented));
      const seen = await server.txt(record);
      expect(seen.map(({ value }) => value)).toEqual([...values, foreign].toSorted());
      expect(new Set(seen.map(({ ttl }) => ttl))).toEqual(new Set([777]));
      expect(await Promise.all(writers.map(({ finish }) => finish()))).toEqual(Array(8).fill(0));
      expect(await server.txt(record)).toEqual([{ value: foreign, ttl: 777 }]);
      await server.update(["zone example.test", `update delete ${record} TXT`], key);
    });
  });
});

describe.skipIf(!available("bind"))("BIND", () => {
  const algorithms = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"].map((hash) => ({
    name: `key-${hash}`,
    algorithm: `hmac-${hash}`,
    secret: Buffer.from(`secret of ${hash}`).toString("base64"),
  }));
  const narrow: TsigKey = { ...key, name: "narrow" };
  const inside: TsigKey = { ...key, name: "inside" };
  let bind: Bind;
  let views: Bind;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rfc2136-"));
    bind = await startBind({
      zones: [
        {
          name: "example.test",
          updatePolicy: [
            ...algorithms.map(({ name }) => `grant ${name} zonesub TXT;`),
            "grant narrow name _acme-challenge.example.test. TXT;",
            "grant key-sha256 name _25._tcp.example.test. TLSA;",
          ],
        },
      ],
      keys: [...algorithms, narrow],
    });
    views = await startBind({
      keys: [inside],
      views: [
        { name: "inside", match: "key inside" },
        { name: "outside", match: "any" },
      ],
      zones: [
        { name: "example.test", view: "inside" },
        { name: "example.test", view: "outside", updatePolicy: [] },
        { name: "secret.test", view: "inside" },
      ],
    });
  });
  afterAll(async () => {
    await bind.close();
    await views.close();
    await rm(folder, { recursive: true });
  });

  test.each(algorithms)("accepts $algorithm, from a tsig-keygen file", async (each) => {
    const tsigFile = join(folder, `${each.name}.conf`);
    const text = `key "${each.name}" {\n\talgorithm ${each.algorithm};\n\tsecret "${each.secret}";\n};\n`;
    await writeFile(tsigFile, text);
    const solver = await solverAt(bind, { ...without, tsigFile });
    const challenge = challengeFor("dns-01", `${each.name}.example.test`);
    const receipt = await solver.present(challenge, call);
    expect(await bind.txt(challenge.recordName)).toHaveLength(1);
    await solver.cleanup(challenge, receipt, call);
    expect(await bind.txt(challenge.recordName)).toEqual([]);
  });

  test("gets TLSA records beside foreign ones, whose TTL is kept", async () => {
    const [at, sha256] = ["_25._tcp.example.test", algorithms[3]];
    const tlsa = () => bind.dig("+noall", "+answer", "+norecurse", "+nosplit", "TLSA", at);
    const foreign = `3 1 1 ${"A".repeat(64)}`;
    await bind.update(["zone example.test", `update add ${at} 777 TLSA ${foreign}`], sha256);
    const solver = await solverAt(bind, { tsigKeyName: "key-sha256", tsigSecret: sha256?.secret });
    const challenge = {
      ...challengeFor("dns-01", "example.test"),
      recordName: at,
      recordType: "TLSA",
      recordValue: `3 1 1 ${"0f".repeat(32)}`,
    } as const;
    await solver.preflight?.([{ ...targetOf(challenge), recordType: "TLSA" }], call);
    const receipt = await solver.present(challenge, call);
    expect(await tlsa()).toMatch(new RegExp(`777\\s+IN\\s+TLSA\\s+3 1 1 ${"0F".repeat(32)}`));
    await solver.cleanup(challenge, receipt, call);
    expect((await tlsa()).split("\n")).toEqual([expect.stringContaining(foreign)]);
  });

  test("that refuses one of several names causes a Problem with that name and the grant to add", async () => {
    const solver = await solverAt(bind, { tsigKeyName: narrow.name });
    const allowed = challengeFor("dns-01", "example.test");
    const refused = challengeFor("dns-01", "www.example.test");
    await solver.preflight?.([targetOf(allowed)], call);
    const failure = solver.preflight?.([targetOf(allowed), targetOf(refused)], call);
    await expect(failure).rejects.toMatchObject({
      message: expect.stringMatching(
        /does not allow TSIG key narrow .*\(REFUSED\): zone example\.test, for _acme-challenge\.www\.example\.test\.$/,
      ),
      hint: expect.stringContaining("grant narrow name _acme-challenge.www.example.test. TXT;"),
    });
  });

  test("with a view selected by key is read with signed queries", async () => {
    const challenge = challengeFor("dns-01", "example.test");
    const options = { tsigKeyName: inside.name };
    const blind = await solverAt(views, options);
    await expect(blind.present(challenge, call)).rejects.toMatchObject({
      message: expect.stringContaining("does not show it"),
      hint: expect.stringContaining("signQuery"),
    });
    const solver = await solverAt(views, { ...options, signQuery: true });
    const receipt = await solver.present(challenge, call);
    await solver.cleanup(challenge, receipt, call);
    // Where the unsigned question is refused, the key is shown by itself.
    const hidden = challengeFor("dns-01", "secret.test");
    await blind.cleanup(hidden, await blind.present(hidden, call), call);
  });

  test("that has the record is cleaned up even if the option server has changed", async () => {
    const [some] = algorithms;
    const elsewhere = await startBind({
      zones: [{ name: "elsewhere.test" }],
      keys: algorithms,
    });
    const credentials = {
      tsigKeyName: some?.name,
      tsigSecret: some?.secret,
      tsigAlgorithm: some?.algorithm,
    };
    const challenge = challengeFor("dns-01", "example.test");
    const receipt = await (await solverAt(bind, credentials)).present(challenge, call);
    await (await solverAt(elsewhere, credentials)).cleanup(challenge, receipt, call);
    const left = (await bind.txt(challenge.recordName)).map(({ value }) => value);
    expect(left).not.toContain(challenge.recordValue);
    await elsewhere.close();
  });

  test("as a secondary is rejected", async () => {
    const secondary = await startBind({
      zones: [{ name: "example.test", secondaryOf: bind }],
      keys: algorithms,
    });
    const [some] = algorithms;
    const solver = await solverAt(secondary, {
      tsigKeyName: some?.name,
      tsigSecret: some?.secret,
      tsigAlgorithm: some?.algorithm,
    });
    const failure = solver.preflight?.([targetOf(challengeFor("dns-01", "example.test"))], call);
    await expect(failure).rejects.toMatchObject({ hint: expect.stringContaining("primary") });
    await secondary.close();
  });
});

test.skipIf(!available("knot"))("Knot with a grant for one name refuses the others", async () => {
  const acl = [
    "update-owner: name",
    "update-owner-match: equal",
    "update-owner-name: [_acme-challenge]",
  ];
  const knot = await startKnot({ zones, keys: [key], acl });
  const solver = await solverAt(knot);
  const allowed = challengeFor("dns-01", "example.test");
  await solver.cleanup(allowed, await solver.present(allowed, call), call);
  const both = [allowed, challengeFor("dns-01", "www.example.test")];
  await expect(solver.preflight?.(both.map(targetOf), call)).rejects.toMatchObject({
    message: expect.stringMatching(/for _acme-challenge\.www\.example\.test\.$/),
    hint: expect.stringContaining("update-type: [TXT]"),
  });
  await knot.close();
});

test.skipIf(!available("knot"))("Knot accepts a key file from keymgr -t", async () => {
  const { file, env } = program("keymgr");
  const keymgr = spawnSync(file, ["-t", "from-keymgr", "hmac-sha384"], { env, encoding: "utf8" });
  const secret = /secret: (\S+)/.exec(keymgr.stdout)?.[1] ?? "";
  const own = { name: "from-keymgr", algorithm: "hmac-sha384", secret };
  const folder = await mkdtemp(join(tmpdir(), "keymgr-"));
  const tsigFile = join(folder, "key.yml");
  await writeFile(tsigFile, keymgr.stdout);
  const knot = await startKnot({ zones, keys: [own] });
  const solver = await solverAt(knot, { ...without, tsigFile });
  const challenge = challengeFor("dns-01", "example.test");
  const receipt = await solver.present(challenge, call);
  expect(await knot.txt(challenge.recordName)).toHaveLength(1);
  await solver.cleanup(challenge, receipt, call);
  await knot.close();
  await rm(folder, { recursive: true });
});

/** Counts the UPDATE messages that pass. */
async function countingProxy(target: NameServer) {
  let updates = 0;
  const proxy = createServer((client) => {
    const server = connect(target.port, target.address);
    let sent = Buffer.alloc(0);
    client.on("data", (chunk) => {
      server.write(chunk);
      sent = Buffer.concat([sent, chunk]);
      while (sent.length >= 2 && sent.length >= sent.readUInt16BE(0) + 2) {
        if (((sent[4] ?? 0) & 0x78) === 5 << 3) updates++;
        sent = sent.subarray(sent.readUInt16BE(0) + 2);
      }
    });
    server.pipe(client);
    client.on("close", () => server.destroy());
    for (const socket of [client, server]) socket.on("error", () => undefined);
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const at = proxy.address();
  const port = typeof at === "object" && at !== null ? at.port : 0;
  return { port, updates: () => updates, close: () => proxy.close() };
}

/** A process of its own that presents a value and waits. */
function writer(server: NameServer) {
  const script = fileURLToPath(new URL("../../test/support/rfc2136-writer.ts", import.meta.url));
  const line = `${key.algorithm}:${key.name}:${key.secret}`;
  const child = spawn(process.execPath, ["--conditions=source", script, server.server, line], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit").then(([code]: unknown[]) => code);
  return {
    presented: once(child.stdout, "data").then(([data]: unknown[]) => String(data).trim()),
    finish: () => {
      child.stdin.write("go\n");
      return ended;
    },
  };
}
