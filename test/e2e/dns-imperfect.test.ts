import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { startDnsServer, testZone, type Mischief, type TestRecord } from "../support/dns-server.ts";
import { run } from "../support/run.ts";
import { startBind, type Bind, type BindSettings } from "../support/servers/bind.ts";
import { available } from "../support/servers/catalog.ts";
import { loopbackAddress, type TsigKey } from "../support/servers/nameserver.ts";
import { startPebble, type Pebble } from "../support/servers/pebble.ts";
import { temporaryFolder } from "../support/state.ts";

const addresses = ["127.0.0.2", "127.0.0.4"];
const ready =
  available("bind") &&
  available("pebble") &&
  (await Promise.all(addresses.map(loopbackAddress))).every(Boolean);
const key: TsigKey = {
  name: "acme",
  algorithm: "hmac-sha256",
  secret: Buffer.from("the secret of this test").toString("base64"),
};
/** Resolves its own zones for Pebble, and asks no other server. */
const resolving = [
  "recursion yes; allow-recursion { any; };",
  "forward only; forwarders { 127.0.0.1 port 9; };",
];

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});

async function bind(settings: BindSettings): Promise<Bind> {
  const started = await startBind(settings);
  open.push(started);
  return started;
}

async function pebbleAt({ server }: Bind): Promise<Pebble> {
  const pebble = await startPebble({ dnsServer: server, env: { PEBBLE_AUTHZREUSE: "0" } });
  open.push(pebble);
  return pebble;
}

/** `issue` by rfc2136 to `primary`, unless `solver` says otherwise. */
async function issue(
  name: string,
  { resolver, primary, pebble }: { resolver: Bind; primary: Bind; pebble: Pebble },
  more: readonly string[] = [],
  solver = ["--solver", "rfc2136", "--rfc2136-server", primary.server],
) {
  await using folder = await temporaryFolder();
  const started = performance.now();
  const words = [
    ...["issue", "-d", name, "--agree-tos", "--server", pebble.directoryUrl],
    ...["--ca-bundle", pebble.rootFile, "--state", folder.path],
    ...["--dns-resolvers", resolver.server, "--dns-port", String(primary.port)],
    ...["--dns-interval", "200ms", ...more, ...solver],
  ];
  const env = {
    HOME: folder.path,
    ACMECTL_RFC2136_TSIG_KEY: `${key.algorithm}:${key.name}:${key.secret}`,
  };
  const ran = await run(words, { env });
  return { ...ran, seconds: (performance.now() - started) / 1000 };
}

describe.skipIf(!ready)("dns-01 with imperfect name servers, validated by Pebble", () => {
  test("issues at once with a warning if one of two name servers refuses", async () => {
    const primary = await bind({
      keys: [key],
      options: resolving,
      zones: [
        {
          name: "lame.test",
          nameservers: ["ns1.lame.test.", "ns2.lame.test."],
          records: ["ns1 IN A 127.0.0.1", "ns2 IN A 127.0.0.2"],
        },
      ],
    });
    const lame = await bind({ address: "127.0.0.2", port: primary.port, zones: [] });
    const pebble = await pebbleAt(primary);
    const ran = await issue("www.lame.test", { resolver: primary, primary, pebble });
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(ran.stderr).toContain(`ns2.lame.test (${lame.server}) says REFUSED`);
    expect(ran.seconds).toBeLessThan(20);
  });

  /** What the load balancer answers to all but A and TXT queries. */
  const answers: [string, Mischief][] = [
    [
      "an empty answer",
      { kind: "packet", change: (packet) => ({ ...packet, answers: [], authorities: [] }) },
    ],
    ["NXDOMAIN", { kind: "rcode", rcode: 3 }],
    ["REFUSED", { kind: "rcode", rcode: 5 }],
    ["NOTIMP", { kind: "rcode", rcode: 4 }],
    ["nothing", { kind: "silence" }],
  ];

  test.each(answers)(
    "issues for a name whose load balancer answers SOA, NS and CNAME queries with %s",
    async (_, mischief) => {
      await using folder = await temporaryFolder();
      const [hook, records] = [join(folder.path, "hook"), join(folder.path, "records")];
      await writeFile(records, "");
      const script = `#!/bin/sh\nif [ "$1" = present ]; then echo "$2 $3" >> ${records}; else : > ${records}; fi\n`;
      await writeFile(hook, script, { mode: 0o755 });
      const name = "www.gtm.example.test";
      const zone = testZone("gtm.example.test", ["lb.example.test"]);
      const written = (): TestRecord[] =>
        readFileSync(records, "utf8")
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => {
            const [at = "", data = ""] = line.split(" ");
            return { name: at.replace(/\.$/, ""), type: "TXT", data };
          });
      const primary = await bind({
        options: resolving,
        zones: [
          {
            name: "example.test",
            records: ["gtm IN NS lb", "lb IN A 127.0.0.4"],
          },
        ],
      });
      const balancer = await startDnsServer({
        address: "127.0.0.4",
        port: primary.port,
        zones: [zone],
        mischief({ type }) {
          zone.records.splice(1, Number.POSITIVE_INFINITY, ...written());
          return ["A", "AAAA", "TXT"].includes(type) ? undefined : mischief;
        },
      });
      open.push(balancer);
      const resolver = await bind({
        address: "127.0.0.2",
        options: ["recursion yes; allow-recursion { any; };"],
        zones: [],
        statements: [
          `zone "gtm.example.test" { type forward; forward only; forwarders { 127.0.0.4 port ${primary.port}; }; };`,
          `zone "example.test" { type forward; forward only; forwarders { 127.0.0.1 port ${primary.port}; }; };`,
        ],
      });
      const pebble = await pebbleAt(resolver);
      const solver = ["--solver", "exec", "--exec-command", hook];
      const ran = await issue(name, { resolver, primary, pebble }, [], solver);
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
      expect(written()).toEqual([]);
    },
  );
});

describe.skipIf(!ready)("dns-01 with a resolver that remembers, validated by Pebble", () => {
  /** A resolver that remembers for `negativeTtl` seconds that a name does not exist. The CA asks it as well. */
  async function caching(negativeTtl: number) {
    const primary = await bind({
      keys: [key],
      zones: [
        { name: "example.test", negativeTtl, records: ["_acme-challenge.shop IN CNAME shop.auth"] },
      ],
    });
    const forwarder = `127.0.0.1 port ${primary.port}`;
    const resolver = await bind({
      address: "127.0.0.2",
      options: [
        "recursion yes; allow-recursion { any; }; max-ncache-ttl 86400;",
        `forward only; forwarders { ${forwarder}; };`,
      ],
      zones: [],
    });
    return { primary, resolver, pebble: await pebbleAt(resolver) };
  }

  test.each([
    ["with authoritative look-ups", "www.example.test", []],
    ["as the only server that is asked", "www.example.test", ["--no-dns-authoritative"]],
    ["for the target of a CNAME", "shop.example.test", []],
    [
      "for the target of a CNAME, as the only server",
      "shop.example.test",
      ["--no-dns-authoritative"],
    ],
  ])("does not make it remember that the record is missing, %s", async (_, name, more) => {
    const servers = await caching(86_400);
    const ran = await issue(name, servers, more);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(ran.seconds).toBeLessThan(20);
  });

  test("waits until a resolver forgets that another client asked too early", async () => {
    const servers = await caching(6);
    const record = "_acme-challenge.www.example.test";
    expect(await servers.resolver.dig("TXT", record)).toContain("NXDOMAIN");
    const ran = await issue("www.example.test", servers, ["--no-dns-authoritative"]);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(ran.stderr).toMatch(/waiting [3-6] s for the resolver's cache to expire/);
  });
});
