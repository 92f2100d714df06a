import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problem } from "acmectl/plugin";
import type { OptionsOf } from "acmectl/plugin";
import { challengeFor, recordingLog, solverContext } from "acmectl/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startDnsServer, testZone } from "../../test/support/dns-server.ts";
import type { DnsServer, DnsServerSettings } from "../../test/support/dns-server.ts";
import { endpointOf } from "./client.ts";
import { problemOf } from "./errors.ts";
import rfc2136 from "./index.ts";
import { keyFrom } from "./key.ts";
import type { KeyOptions } from "./key.ts";
import { decode, decodeName, encodeName, encodeUpdate } from "./message.ts";
import { sign, verify } from "./tsig.ts";
import type { TsigKey } from "./tsig.ts";

/** What BIND's nsupdate sent and BIND answered, per algorithm and for two refusals. */
const captured: {
  case: string;
  key: { name: string; algorithm: string; secret: string };
  request: string;
  answer: string;
}[] = JSON.parse(readFileSync(new URL("fixtures/nsupdate.json", import.meta.url), "utf8"));

const none: KeyOptions = {
  tsigKey: undefined,
  tsigKeyName: undefined,
  tsigSecret: undefined,
  tsigAlgorithm: undefined,
  tsigFile: undefined,
};
const secret = "dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM=";
const fromName = (name: string, algorithm: string, text: string) =>
  keyFrom({ ...none, tsigKeyName: name, tsigAlgorithm: algorithm, tsigSecret: text });

describe("TSIG, compared with captured messages of nsupdate and BIND", () => {
  test.each(captured)(
    "$case: the signature is identical to that of nsupdate",
    async ({ key, request }) => {
      const { signed, plain, time } = withoutSignature(Buffer.from(request, "hex"));
      const own = await keyOf(key);
      expect(sign(plain, own, time).bytes.toString("hex")).toBe(signed.toString("hex"));
    },
  );

  test.each(captured)(
    "$case: the response of BIND is understood",
    async ({ case: name, key, ...hex }) => {
      const own = await keyOf(key);
      const { plain, time } = withoutSignature(Buffer.from(hex.request, "hex"));
      const { mac } = sign(plain, own, time);
      const answer = Buffer.from(hex.answer, "hex");
      const expected = name.startsWith("BAD") ? { kind: "error", error: name } : { kind: "good" };
      expect(verify(answer, own, mac, time)).toEqual(expected);
      if (name.startsWith("BAD")) return;
      const changed = Buffer.from(answer);
      changed.writeUInt8((changed[3] ?? 0) ^ 1, 3);
      expect(verify(changed, own, mac, time)).toEqual({ kind: "forged" });
      expect(verify(answer, own, randomBytes(mac.length), time)).toEqual({ kind: "forged" });
      expect(verify(answer, own, mac, time + 301)).toEqual({ kind: "forged" });
      expect(verify(plain, own, mac, time)).toEqual({ kind: "unsigned" });
    },
  );

  test("a response signed with another key is rejected", async () => {
    const [first, second] = captured;
    if (first === undefined || second === undefined) throw new Error("no fixtures");
    const key = await keyOf(first.key);
    const { mac } = sign(withoutSignature(Buffer.from(first.request, "hex")).plain, key, 1);
    expect(verify(Buffer.from(second.answer, "hex"), key, mac, 1)).toEqual({ kind: "forged" });
  });

  async function keyOf({ name, algorithm, secret: text }: (typeof captured)[number]["key"]) {
    const key = await fromName(name, algorithm, text);
    if (key === undefined) throw new Error("no key");
    return key;
  }
});

function withoutSignature(signed: Buffer) {
  const tsig = decode(signed).additionals.at(-1);
  if (tsig === undefined) throw new Error("not signed");
  const plain = Buffer.from(signed.subarray(0, tsig.offset));
  plain.writeUInt16BE(0, 10);
  const algorithm = decodeName(tsig.data, 0);
  return { signed, plain, time: tsig.data.readUIntBE(algorithm.end, 6) };
}

describe("DNS messages", () => {
  test("have the same records as those of nsupdate", () => {
    const theirs = decode(Buffer.from(captured[0]?.request ?? "", "hex"));
    const value = "C3C19AUXiO2WMrZnBjo2BzCt3aCEwMmXWwZR4I81Pmg";
    const name = "_acme-challenge.Example.Test";
    const ours = decode(
      encodeUpdate(theirs.id, "example.test", [{ kind: "add", type: "TXT", name, value, ttl: 60 }]),
    );
    expect(ours.question).toBe(theirs.question);
    const withoutOffset = ({ authorities }: typeof ours) =>
      authorities.map(({ offset, ...record }) => ({ ...record, offset: typeof offset }));
    expect(withoutOffset(ours)).toEqual(withoutOffset(theirs));
  });

  test("of random bytes cause a RangeError and no loop", () => {
    expect(() => decodeName(Buffer.from([0xc0, 0x00]), 0)).toThrow(RangeError);
    expect(() => decodeName(Buffer.from([0x80, 0x00]), 0)).toThrow(RangeError);
    for (let round = 0; round < 3000; round++) {
      const bytes = randomBytes(round % 200);
      if (bytes.length > 12) bytes.fill(0, 4, 11);
      try {
        decode(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
    expect(encodeName("a.b.").toString("hex")).toBe("0161016200");
  });
});

describe("TSIG keys", () => {
  let folder: string;
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "keys-"))));
  afterAll(() => rm(folder, { recursive: true }));

  test.each(["hmac-sha256", "hmac-sha256.", "HMAC-SHA256", "HMACSHA256", "sha256", "hmac_sha256"])(
    "accept %s as hmac-sha256",
    async (spelling) => {
      expect((await fromName("acme.", spelling, secret))?.algorithm).toBe("hmac-sha256");
    },
  );

  test("accept the long name of hmac-md5, and default to hmac-sha256", async () => {
    const md5 = await fromName("acme", "HMAC-MD5.SIG-ALG.REG.INT.", secret);
    expect(md5?.algorithm).toBe("hmac-md5");
    const plain = await keyFrom({ ...none, tsigKeyName: "Acme", tsigSecret: `${secret}\n` });
    expect(plain).toEqual({
      name: "acme",
      algorithm: "hmac-sha256",
      secret: Buffer.from(secret, "base64"),
    });
  });

  test("are read from a tsig-keygen file with comments and several keys", async () => {
    const file = join(folder, "keys.conf");
    const slashes = "ab//cd//eQ==";
    await writeFile(
      file,
      `// key "old" { algorithm hmac-md5; secret "b2xk"; };
/* key "older" { secret "b2xk"; }; */
key "one" {\n\talgorithm hmac-sha512;\n\tsecret "${slashes}"; # mine\n};
key two { algorithm "HMAC-SHA224"; secret ${secret}; };\n`,
    );
    const one = await keyFrom({ ...none, tsigFile: file, tsigKeyName: "ONE." });
    expect(one).toMatchObject({ name: "one", algorithm: "hmac-sha512" });
    expect(one?.secret.toString("base64")).toBe(slashes);
    const two = await keyFrom({ ...none, tsigFile: file, tsigKeyName: "two" });
    expect(two).toMatchObject({ name: "two", algorithm: "hmac-sha224" });
    await expect(keyFrom({ ...none, tsigFile: file })).rejects.toThrow(/several keys .* one, two/);
    await expect(keyFrom({ ...none, tsigFile: file, tsigKeyName: "old" })).rejects.toThrow(
      /no key old in .*keys\.conf, only one, two/,
    );
  });

  test("are read from one line, as for nsupdate -y", async () => {
    const key = await keyFrom({ ...none, tsigKey: `hmac-sha384:acme:${secret}\n` });
    expect(key).toMatchObject({ name: "acme", algorithm: "hmac-sha384" });
    const short = await keyFrom({ ...none, tsigKey: `acme:${secret}` });
    expect(short).toMatchObject({ name: "acme", algorithm: "hmac-sha256" });
    expect(await keyFrom(none)).toBeUndefined();
  });

  const privateFile = `Private-key-format: v1.3\nAlgorithm: 165 (HMAC_SHA512)\nKey: ${secret}\nBits: AAA=\n`;
  test.each([
    ["K*.private of dnssec-keygen", "Kacme.example.+165+12345.private", privateFile],
    [
      "K*.private with CRLF and without algorithm name",
      "Kacme.example.+165+12345.private",
      privateFile.replace(" (HMAC_SHA512)", "").replaceAll("\n", "\r\n"),
    ],
    [
      "K*.key of dnssec-keygen",
      "any.key",
      `; This is a key\nacme.example. 3600 IN KEY 512 3 165 ${secret.slice(0, 20)} ${secret.slice(20)} ; id = 1\n`,
    ],
    [
      "Knot's keymgr -t",
      "knot.yml",
      `# hmac-sha512:acme.example:${secret}\nkey:\n  - id: acme.example\n    algorithm: hmac-sha512\n    secret: ${secret}\n`,
    ],
    [
      "a whole knot.conf",
      "knot.conf",
      `server:\n    listen: 127.0.0.1@53\nkey: # keys\n  - id: "acme.example."\n    algorithm: hmac-sha512\n    secret: "${secret}"\nacl:\n  - id: other\n    key: acme.example.\n    action: update\n`,
    ],
    [
      "NSD's key clause",
      "nsd.conf",
      `zone:\n\tname: example.test\nkey:\n\tname: "acme.example"\n\talgorithm: hmac-sha512\n\tsecret: "${secret}"\nzone:\n\tname: other.test\n`,
    ],
    [
      "an nsupdate script",
      "script",
      `\uFEFFserver ns1.example.test\nkey hmac-sha512:acme.example ${secret}\nsend\n`,
    ],
  ])("are read from %s", async (_, name, text) => {
    const file = join(folder, name);
    await writeFile(file, text);
    expect(await keyFrom({ ...none, tsigFile: file })).toEqual({
      name: "acme.example",
      algorithm: "hmac-sha512",
      secret: Buffer.from(secret, "base64"),
    });
  });

  test("are selected by name in NSD and Knot files with several", async () => {
    const file = join(folder, "several.conf");
    const nsd = ["one", "two"].map((name) => `key:\n  name: ${name}\n  secret: ${secret}\n`);
    const knot = `key:\n${["one", "two"].map((name) => `  - id: ${name}\n    secret: ${secret}\n`).join("")}`;
    for (const text of [nsd.join(""), knot]) {
      await writeFile(file, text);
      const two = await keyFrom({ ...none, tsigFile: file, tsigKeyName: "two." });
      expect(two).toMatchObject({ name: "two", algorithm: "hmac-sha256" });
      await expect(keyFrom({ ...none, tsigFile: file })).rejects.toThrow(
        /several keys .* one, two/,
      );
    }
  });

  test("in a renamed K*.private file need tsigKeyName", async () => {
    const file = join(folder, "renamed.private");
    await writeFile(file, privateFile);
    await expect(keyFrom({ ...none, tsigFile: file })).rejects.toMatchObject({
      hint: expect.stringContaining("tsigKeyName"),
    });
    const key = await keyFrom({ ...none, tsigFile: file, tsigKeyName: "acme" });
    expect(key).toMatchObject({ name: "acme", algorithm: "hmac-sha512" });
  });

  test.each<[string, Partial<KeyOptions>, RegExp]>([
    ["a secret without a name", { tsigSecret: secret }, /without tsigKeyName/],
    ["a name without a secret", { tsigKeyName: "acme" }, /its secret is not set/],
    ["two keys", { tsigKey: `a:${secret}`, tsigFile: "/nowhere" }, /both set/],
    ["no Base64", { tsigKeyName: "acme", tsigSecret: "häufig" }, /not Base64/],
    ["an empty secret", { tsigKeyName: "acme", tsigSecret: "" }, /not Base64/],
    ["a strange name", { tsigKeyName: "a b", tsigSecret: secret }, /not a domain name/],
    [
      "a file that is not there",
      { tsigFile: "/nowhere/key.conf" },
      /\/nowhere\/key\.conf: no such file/,
    ],
    ["a tsigKey without name", { tsigKey: secret }, /no TSIG key in the option tsigKey/],
    ["a clause without a secret", { tsigKey: 'key "a" { algorithm x; };' }, /no TSIG key/],
    [
      "an unknown algorithm",
      { tsigKeyName: "acme", tsigSecret: secret, tsigAlgorithm: "gss-tsig" },
      /gss-tsig is unknown/,
    ],
  ])("%s is a Problem with a hint and without the secret", async (_, options, says) => {
    const problem: unknown = await keyFrom({ ...none, ...options }).catch(
      (error: unknown) => error,
    );
    if (!Problem.is(problem)) throw new Error("no Problem");
    expect(problem.message).toMatch(says);
    expect(problem.hint).toBeTruthy();
    expect(`${problem.message}${problem.hint}`).not.toContain(secret);
  });
});

test("the option server is a host or an address, with or without a port", () => {
  expect(endpointOf("ns1.example.com.", undefined)).toEqual({ host: "ns1.example.com", port: 53 });
  expect(endpointOf("192.0.2.1:5353", undefined)).toEqual({ host: "192.0.2.1", port: 5353 });
  expect(endpointOf("192.0.2.1", 5353)).toEqual({ host: "192.0.2.1", port: 5353 });
  expect(endpointOf("2001:db8::1", undefined)).toEqual({ host: "2001:db8::1", port: 53 });
  expect(endpointOf("[2001:db8::1]:5353", 5353)).toEqual({ host: "2001:db8::1", port: 5353 });
  for (const wrong of ["", ":53", "ns1:0", "ns1:99999", "[ns1]:53", "https://ns1/", "ns1 ns2"]) {
    expect(() => endpointOf(wrong, undefined)).toThrow("is not a host name or address");
  }
  expect(() => endpointOf("ns1:53", 5353)).toThrow("port 53, the option port 5353");
});

describe("a refused update is explained", () => {
  const key: TsigKey = { name: "acme", algorithm: "hmac-sha256", secret: Buffer.from("hush-hush") };
  const names = ["_acme-challenge.example.test"];
  const attempt = {
    server: "192.0.2.1:53",
    zone: "example.test",
    names,
    type: "TXT" as const,
    key,
  };
  const good = { kind: "good" } as const;
  const unsigned = { kind: "unsigned" } as const;

  test.each([
    ["no key (BIND)", 5, undefined, undefined, /requires a TSIG key/, /tsigFile/],
    ["no key (Knot)", 9, undefined, undefined, /requires a TSIG key/, /tsigFile/],
    [
      "wrong secret",
      9,
      { kind: "error", error: "BADSIG" },
      key,
      /another secret/,
      /secret of key acme/,
    ],
    [
      "unknown key",
      9,
      { kind: "error", error: "BADKEY" },
      key,
      /no TSIG key acme with algorithm hmac-sha256/,
      /tsigAlgorithm/,
    ],
    [
      "clock ahead",
      9,
      { kind: "error", error: "BADTIME", serverTime: 6400 },
      key,
      /3600 s ahead/,
      /NTP/,
    ],
    [
      "clock behind",
      9,
      { kind: "error", error: "BADTIME", serverTime: 13_600 },
      key,
      /3600 s behind/,
      /NTP/,
    ],
    ["odd signature error", 9, { kind: "error", error: "BADTRUNC" }, key, /BADTRUNC/, /log/],
    ["zone not served (BIND)", 9, good, key, /not the primary server of zone/, /primary/],
    ["zone not served (Knot)", 9, unsigned, key, /not the primary server of zone/, /primary/],
    ["name outside the zone", 10, good, key, /is not in zone example\.test/, /option zone/],
    [
      "key not allowed",
      5,
      good,
      key,
      /does not allow TSIG key acme/,
      /grant acme name _acme-challenge\.example\.test\. TXT;/,
    ],
    ["unsigned refusal (PowerDNS)", 5, unsigned, key, /without a reason/, /TSIG-ALLOW-DNSUPDATE/],
    ["no updates at all", 4, unsigned, key, /not support dynamic updates/, /dnsupdate=yes/],
    ["a failing server", 2, good, key, /failed to update zone/, /log/],
    ["success without a signature", 0, unsigned, key, /did not sign/, /the right machine/],
    [
      "success with a forged one",
      0,
      { kind: "forged" },
      key,
      /not have a valid signature by TSIG key acme/,
      /between/,
    ],
  ] as const)("%s", (_, rcode, verdict, used, says, hint) => {
    const problem = problemOf({ rcode, verdict, now: 10_000 }, { ...attempt, key: used });
    expect(problem?.message).toMatch(says);
    expect(problem?.hint).toMatch(hint);
    expect(problem?.message).toMatch(
      /192\.0\.2\.1:53.*example\.test.*_acme-challenge\.example\.test/,
    );
    expect(JSON.stringify(problem) + String(problem?.hint)).not.toContain("hush");
  });

  test("a successful update is not a Problem", () => {
    expect(problemOf({ rcode: 0, verdict: good, now: 0 }, attempt)).toBeUndefined();
    const bare = { rcode: 0, verdict: undefined, now: 0 };
    expect(problemOf(bare, { ...attempt, key: undefined })).toBeUndefined();
  });
});

const options = (
  server: string,
  more: Partial<OptionsOf<typeof rfc2136.options>> = {},
): OptionsOf<typeof rfc2136.options> => ({
  ...none,
  server,
  port: undefined,
  zone: undefined,
  protocol: "tcp",
  signQuery: false,
  ttl: 60,
  timeout: 300,
  ...more,
});

const solverAt = (server: string, more: Partial<OptionsOf<typeof rfc2136.options>> = {}) =>
  rfc2136.create(options(server, more), solverContext());

describe("a DNS server", () => {
  const open: { close: () => Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const call = { signal: new AbortController().signal };
  const challenge = challengeFor("dns-01", "example.test");
  const zones = [testZone("example.test", ["ns1.example.test"])];

  async function dnsServer(settings: Partial<DnsServerSettings>): Promise<DnsServer> {
    const server = await startDnsServer({ zones, ...settings });
    open.push(server);
    return server;
  }

  async function tcpServer(answer: (query: Buffer) => Buffer | "close" | undefined) {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (data) => {
        const said = answer(data);
        if (said === "close") socket.destroy();
        else if (said !== undefined) socket.write(said);
      });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    open.push({ close: async () => void server.close() });
    const at = server.address();
    return `127.0.0.1:${typeof at === "object" ? at?.port : 0}`;
  }

  test.each([
    ["closes the connection", () => "close" as const, /closed the connection/],
    ["says nothing", () => undefined, /no response within 0\.3 s/],
    [
      "speaks another protocol",
      () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
      /no response/,
    ],
    [
      "sends garbage under the right id",
      (query: Buffer) => {
        const junk = Buffer.concat([
          query.subarray(2, 4),
          Buffer.from("8400ffff", "hex"),
          Buffer.alloc(14, 0xff),
        ]);
        return Buffer.concat([Buffer.from([0, junk.length]), junk]);
      },
      /does not answer as a DNS server/,
    ],
  ])("that %s causes a network Problem with address and reason", async (_, answer, says) => {
    const server = await tcpServer(answer);
    const solver = await solverAt(server);
    const failure = solver.present(challenge, call);
    await expect(failure).rejects.toMatchObject({
      exitCode: 4,
      hint: expect.stringContaining("port"),
    });
    await expect(failure).rejects.toThrow(says);
    await expect(failure).rejects.toThrow(server);
  });

  test("that cuts the signature of its answer causes a network Problem", async () => {
    const server = await dnsServer({
      mischief: ({ opcode }) =>
        opcode === "UPDATE"
          ? {
              kind: "raw",
              bytes: (query) => {
                const answer = Buffer.from("0000a80000000000000000010000fa00ff000000000000", "hex");
                query.copy(answer, 0, 0, 2);
                return answer;
              },
            }
          : undefined,
    });
    const tsigKey = `acmectl:${secret}`;
    const failure = (await solverAt(server.server, { tsigKey })).present(challenge, call);
    await expect(failure).rejects.toMatchObject({ exitCode: 4 });
    await expect(failure).rejects.toThrow("does not answer as a DNS server");
  });

  test("that does not exist is named in the Problem", async () => {
    const solver = await solverAt("127.0.0.1:1");
    await expect(solver.present(challenge, call)).rejects.toThrow(
      "Cannot reach the DNS server 127.0.0.1:1 over TCP: connection refused",
    );
    const unknown = await solverAt("ns1.invalid");
    await expect(unknown.present(challenge, call)).rejects.toMatchObject({ exitCode: 4 });
  });

  test("that ignores an update causes a Problem, and the update is undone", async () => {
    const updates: string[] = [];
    const server = await dnsServer({
      mischief: ({ opcode }) =>
        opcode === "UPDATE"
          ? {
              kind: "raw",
              bytes: (query) => {
                const kind = decode(query).authorities[0]?.class === 1 ? "add" : "delete";
                updates.push(kind);
                const answer = Buffer.from(query.subarray(0, 12));
                answer.writeUInt16BE(0xa800, 2);
                answer.fill(0, 4);
                return Buffer.concat([answer.subarray(0, 12)]);
              },
            }
          : undefined,
    });
    const solver = await solverAt(server.server);
    await expect(solver.present(challenge, call)).rejects.toThrow(
      /accepted .* but does not show it/,
    );
    expect(updates).toEqual(["add", "delete"]);
  });

  test("that was written to is cleaned up even if the option server has changed", async () => {
    const updates: string[] = [];
    const takesUpdates = (at: string): Partial<DnsServerSettings> => ({
      mischief: ({ opcode }) =>
        opcode === "UPDATE"
          ? {
              kind: "raw",
              bytes: (query) => {
                updates.push(at);
                const answer = Buffer.alloc(12);
                query.copy(answer, 0, 0, 2);
                answer.writeUInt16BE(0xa800, 2);
                return answer;
              },
            }
          : undefined,
    });
    const before = await dnsServer(takesUpdates("before"));
    const now = await dnsServer(takesUpdates("now"));
    const { recordName: name, recordValue: value } = challenge;
    const receipt = { server: before.server, zone: "example.test", name, value };
    const solver = await solverAt(now.server);
    await solver.cleanup(challenge, receipt, call);
    expect(updates).toEqual(["before"]);
    await solver.cleanup(challenge, { ...receipt, server: now.server }, call);
    expect(updates).toEqual(["before", "now"]);
    await before.close();
    open.splice(open.indexOf(before), 1);
    await expect(solver.cleanup(challenge, receipt, call)).rejects.toThrow(
      `Cannot reach the DNS server ${before.server}`,
    );
  });

  test("that loses datagrams is asked over TCP", async () => {
    const server = await dnsServer({
      mischief: ({ via }) => (via === "udp" ? { kind: "silence" } : undefined),
    });
    const solver = await solverAt(server.server, { protocol: "udp", timeout: 100 });
    await expect(solver.present(challenge, call)).rejects.toThrow("NOTIMP");
    expect(server.asked.map(({ via }) => via)).toContain("tcp");
  });

  test("that only forwards queries is not accepted as primary", async () => {
    const server = await dnsServer({ recursive: true });
    const solver = await solverAt(server.server);
    await expect(solver.present(challenge, call)).rejects.toThrow(
      "is not authoritative for any zone that holds _acme-challenge.example.test",
    );
  });

  test("that does not answer does not delay an aborted call", async () => {
    const server = await dnsServer({ mischief: () => ({ kind: "silence" }) });
    const solver = await solverAt(server.server, { timeout: 60_000 });
    const controller = new AbortController();
    const presenting = solver.present(challenge, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("Ctrl-C")), 20);
    await expect(presenting).rejects.toThrow("Ctrl-C");
  });

  test("gets no query for a name outside the option zone", async () => {
    const server = await dnsServer({});
    const solver = await solverAt(server.server, { zone: "other.test." });
    await expect(solver.present(challenge, call)).rejects.toThrow("is not in zone other.test");
    expect(server.asked).toEqual([]);
  });

  test("an outdated TSIG algorithm causes a warning", async () => {
    const log = recordingLog();
    const more = { tsigKey: `hmac-md5:acme:${secret}` };
    await rfc2136.create(options("127.0.0.1:1", more), solverContext({ log }));
    expect(log.entries).toMatchObject([
      { level: "warn", message: expect.stringMatching(/hmac-md5/) },
    ]);
  });
});
