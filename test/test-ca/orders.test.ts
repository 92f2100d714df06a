import { KeyObject, X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startTestCa, type TestCa } from "../../src/test-ca/test-ca.ts";
import {
  certificateKeys,
  challengeOf,
  csrFor,
  issue,
  keyAuthorization,
  webServer,
} from "./loopback.ts";
import { rawClient, request, type RawClient, type Reply } from "./raw-client.ts";

let ca: TestCa;
let client: RawClient;
let web: Awaited<ReturnType<typeof webServer>>;
let time: Date;
beforeEach(async () => {
  time = new Date("2026-05-04T12:00:00Z");
  web = await webServer();
  ca = await startTestCa({ httpPort: web.port, now: () => time });
  client = rawClient(ca);
  await client.register();
});
afterEach(async () => {
  await ca.close();
  await web.close();
});

const urn = (type: string): string => `urn:ietf:params:acme:error:${type}`;
const patient = { timeout: 10_000 };
const day = 24 * 3_600_000;

describe("newOrder", () => {
  test("newOrder lower-cases and sorts names, removes duplicates, and opens an authorization for each name", async () => {
    const names = ["www.Example.com", "example.com", "EXAMPLE.com", "*.example.com"];
    const { status, body, headers } = await client.order(names);
    expect(status).toBe(201);
    expect(body.identifiers.map(({ value }) => value)).toEqual([
      "*.example.com",
      "example.com",
      "www.example.com",
    ]);
    expect(body).toMatchObject({ status: "pending", profile: "classic" });
    const [wildcard = ""] = body.authorizations;
    const authorization = (await client.post(wildcard, "")).body;
    expect(authorization).toMatchObject({
      wildcard: true,
      identifier: { type: "dns", value: "example.com" },
      status: "pending",
    });
    expect((await client.post(String(headers.location), "")).body.finalize).toBe(body.finalize);
  });

  test.each([
    "a..example.com",
    "-a.example.com",
    "a-.example.com",
    "ex_ample.com",
    "example.com.",
    "w*.example.com",
    "a.*.example.com",
    "xn--a.example.com",
    "ab--cd.example.com",
    "example.123",
    `${"a".repeat(64)}.example.com`,
    `${"a.".repeat(127)}example.com`,
    "münchen.example",
  ])("newOrder refuses the name %s", async (name) => {
    const reply = await client.order([name]);
    expect(reply.body.type).toBe(urn("rejectedIdentifier"));
    expect(reply.status).toBe(400);
  });

  test.each(["2001:db8:0:0:0:0:0:1", "2001:DB8::1".replace("DB8", "0db8"), "fe80::1%eth0"])(
    "newOrder refuses the address %s, which is not canonical",
    async (address) => {
      expect((await client.order([address])).body.type).toBe(urn("rejectedIdentifier"));
    },
  );

  test("newOrder reports each bad identifier in a subproblem", async () => {
    const reply = await client.order(["a..b.example", "good.example", "-x.example"]);
    expect(reply.body.type).toBe(urn("rejectedIdentifier"));
    expect(reply.body.subproblems.map(({ identifier }) => identifier.value)).toEqual([
      "-x.example",
      "a..b.example",
    ]);
    const mixed = await client.post(`${client.base}/new-order`, {
      identifiers: [
        { type: "email", value: "ops@example.com" },
        { type: "dns", value: "192.0.2.1" },
      ],
    });
    expect(mixed.body.type).toBe(urn("compound"));
    expect(mixed.body.subproblems.map(({ type }) => type)).toEqual([
      urn("rejectedIdentifier"),
      urn("unsupportedIdentifier"),
    ]);
  });

  test("newOrder refuses an order without identifiers, with more than 100, or with dates", async () => {
    expect((await client.order([])).body.type).toBe(urn("malformed"));
    const many = Array.from({ length: 101 }, (_, at) => `n${at}.example.com`);
    expect((await client.order(many)).body.type).toBe(urn("rejectedIdentifier"));
    expect((await client.order(many.slice(1))).status).toBe(201);
    const dated = await client.order(["example.com"], { notAfter: "2026-06-01T00:00:00Z" });
    expect(dated.body.type).toBe(urn("malformed"));
  });

  test("newOrder accepts only a profile that is offered, and the profile sets the lifetime", async () => {
    const unknown = await client.order(["example.com"], { profile: "eternal" });
    expect(unknown.body.type).toBe(urn("invalidProfile"));
    const { order, chain } = await issue(client, web, ["example.com"], { profile: "shortlived" });
    expect(order.profile).toBe("shortlived");
    const leaf = new X509Certificate(chain.text);
    expect(leaf.validFromDate).toEqual(new Date("2026-05-04T11:00:00Z"));
    expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBe(160 * 3_600_000 - 1000);
  });

  test("orders, authorizations, challenges and certificates are shown only to their own account", async () => {
    const { url, order } = await issue(client, web, ["example.com"]);
    const stranger = rawClient(ca);
    await stranger.register();
    for (const target of [url, order.authorizations[0], order.certificate, order.finalize]) {
      const reply = await stranger.post(String(target), {});
      expect([reply.status, reply.body.type]).toEqual([403, urn("unauthorized")]);
    }
  });

  test("orders and authorizations expire", async () => {
    const { body, headers } = await client.order(["example.com"]);
    time = new Date(time.getTime() + 8 * day);
    expect((await client.post(String(headers.location), "")).body.status).toBe("invalid");
    expect((await client.post(String(body.authorizations[0]), "")).body.status).toBe("expired");
    expect(
      (await client.post(body.finalize, { csr: await csrFor(["example.com"]) })).body.type,
    ).toBe(urn("orderNotReady"));
  });
});

describe("authorizations", () => {
  test("a valid authorization is reused by the account's next order until it is deactivated", async () => {
    const { order } = await issue(client, web, ["example.com"]);
    const second = await client.order(["example.com"]);
    expect(second.body).toMatchObject({ status: "ready", authorizations: order.authorizations });
    const [url = ""] = order.authorizations;
    expect((await client.post(url, { status: "valid" })).status).toBe(400);
    const gone = await client.post(url, { status: "deactivated" });
    expect(gone.body.status).toBe("deactivated");
    expect((await client.post(String(second.headers.location), "")).body.status).toBe("invalid");
    const third = await client.order(["example.com"]);
    expect(third.body.status).toBe("pending");
  });

  test("an authorization is reused as long as the option says, not by other accounts and not for the wildcard", async () => {
    await issue(client, web, ["example.com"]);
    const stranger = rawClient(ca);
    await stranger.register();
    expect((await stranger.order(["example.com"])).body.status).toBe("pending");
    expect((await client.order(["*.example.com"])).body.status).toBe("pending");
    time = new Date(time.getTime() + 31 * day);
    expect((await client.order(["example.com"])).body.status).toBe("pending");
    const never = await startTestCa({ httpPort: web.port, authorizationReuse: 0 });
    const other = rawClient(never);
    await other.register();
    await issue(other, web, ["example.com"]);
    expect((await other.order(["example.com"])).body.status).toBe("pending");
    await never.close();
  });
});

describe("finalize", () => {
  test("finalize is refused before the authorizations are valid, and after the certificate is issued", async () => {
    const { body } = await client.order(["example.com"]);
    const csr = await csrFor(["example.com"]);
    const early = await client.post(body.finalize, { csr });
    expect([early.status, early.body.type]).toEqual([403, urn("orderNotReady")]);
    const finalize = await ready(["example.com"]);
    expect((await client.post(finalize, { csr })).body.status).toBe("valid");
    expect((await client.post(finalize, { csr })).body.type).toBe(urn("orderNotReady"));
  });

  test("finalize refuses a broken CSR and one with other names or unknown kinds of names, and the order stays ready", async () => {
    const finalize = await ready(["a.example.com", "b.example.com"]);
    const names = ["a.example.com", "b.example.com"];
    const bad = [
      await csrFor(["a.example.com"]),
      await csrFor([...names, "c.example.com"]),
      await csrFor(names, { name: "CN=c.example.com" }),
      await csrFor(names, {
        san: [
          ...names.map((value) => ({ type: "dns" as const, value })),
          { type: "email", value: "ops@example.com" },
        ],
      }),
      Buffer.from("not a CSR").toString("base64url"),
      spoilt(await csrFor(names)),
    ];
    for (const csr of bad)
      expect((await client.post(finalize, { csr })).body.type).toBe(urn("badCSR"));
    expect((await client.post(finalize, { csr: "a=" })).body.type).toBe(urn("malformed"));
    const good = await csrFor(["B.example.com", "a.example.com"], { name: "CN=A.example.com" });
    expect((await client.post(finalize, { csr: good })).body.status).toBe("valid");
  });

  test("finalize refuses account keys and weak keys", async () => {
    const finalize = await ready(["example.com"]);
    const { privateKey, publicKey } = client.keys;
    const alg = { name: "ECDSA", namedCurve: "P-256" };
    const accountKeys = {
      privateKey: privateKey.toCryptoKey(alg, true, ["sign"]),
      publicKey: publicKey.toCryptoKey(alg, true, ["verify"]),
    };
    const own = await csrFor(["example.com"], { keys: accountKeys });
    const refused = await client.post(finalize, { csr: own });
    expect(refused.body.detail).toMatch(/account key/);
    const p521 = await csrFor(["example.com"], { keys: await certificateKeys("P-521") });
    expect((await client.post(finalize, { csr: p521 })).body.detail).toMatch(/secp521r1/);
  });

  test("an order that is finalized in the background is processing, with Retry-After in seconds and as a date", async () => {
    let body = "";
    const looking = Promise.withResolvers<void>();
    const held = await webServer(
      (_, response) => void looking.promise.then(() => response.end(body)),
    );
    const slow = await startTestCa({
      httpPort: held.port,
      asynchronous: { delay: 1, retryAfter: 7 },
    });
    const other = rawClient(slow);
    await other.register();
    const placed = await other.order(["example.com"]);
    const [url = ""] = placed.body.authorizations;
    const challenge = await challengeOf(other, url, "http-01");
    body = keyAuthorization(challenge.token, other.keys);
    const responded = await other.post(challenge.url, {});
    expect([responded.body.status, responded.headers["retry-after"]]).toEqual(["processing", "7"]);
    const waiting = await other.post(url, "");
    expect(waiting.body.status).toBe("pending");
    expect(String(waiting.headers["retry-after"])).toMatch(/GMT$/);
    looking.resolve();
    await expect.poll(async () => (await other.post(url, "")).body.status, patient).toBe("valid");
    const csr = await csrFor(["example.com"]);
    const finalized = await other.post(placed.body.finalize, { csr });
    expect(finalized.body.status).toBe("processing");
    expect(finalized.headers["retry-after"]).toBeDefined();
    const order = String(placed.headers.location);
    await expect.poll(async () => (await other.post(order, "")).body.status, patient).toBe("valid");
    await slow.close();
    await held.close();
  });
});

describe("certificates", () => {
  test("a certificate comes with the issuing certificate, and as an alternate under another root", async () => {
    const { chain } = await issue(client, web, ["example.com"]);
    expect(chain.headers["content-type"]).toBe("application/pem-certificate-chain");
    const link = /<([^>]+)>;rel="alternate"/.exec(String(chain.headers["link"]))?.[1];
    const other = await client.post(String(link), "");
    const pems = [chain.text, other.text].map((text) => text.split(/(?<=END CERTIFICATE-----\n)/));
    expect(pems[0]?.[0]).toBe(pems[1]?.[0]);
    for (const [at, root] of [ca.rootPem, ca.alternateRootPem].entries()) {
      const issuing = new X509Certificate(String(pems[at]?.[1]));
      expect(issuing.verify(new X509Certificate(root).publicKey)).toBe(true);
      expect(new X509Certificate(String(pems[at]?.[0])).verify(issuing.publicKey)).toBe(true);
    }
    expect((await client.post(`${String(link)}0`, "")).status).toBe(404);
  });

  test("a certificate is revoked once, by its account, with a permitted reason", async () => {
    const { chain } = await issue(client, web, ["example.com"]);
    const certificate = new X509Certificate(chain.text).raw.toString("base64url");
    const url = `${client.base}/revoke-cert`;
    const reason = await client.post(url, { certificate, reason: 6 });
    expect(reason.body.type).toBe(urn("badRevocationReason"));
    const stranger = rawClient(ca);
    await stranger.register();
    expect((await stranger.post(url, { certificate })).body.type).toBe(urn("unauthorized"));
    expect((await client.post(url, { certificate, reason: 4 })).status).toBe(200);
    expect((await client.post(url, { certificate })).body.type).toBe(urn("alreadyRevoked"));
    const foreign = new X509Certificate(ca.rootPem).raw.toString("base64url");
    expect((await client.post(url, { certificate: foreign })).status).toBe(404);
    expect((await client.post(url, { certificate: "AAAA" })).body.type).toBe(urn("malformed"));
  });

  test("a certificate is revoked by its own key, which is refused from then on, or by an account that controls all its names", async () => {
    const keys = await certificateKeys();
    const csr = await csrFor(["example.com"], { keys });
    const { chain } = await issue(client, web, ["example.com"], {}, csr);
    const certificate = new X509Certificate(chain.text).raw.toString("base64url");
    const url = `${client.base}/revoke-cert`;
    const key = {
      privateKey: KeyObject.from(keys.privateKey),
      publicKey: KeyObject.from(keys.publicKey),
    };
    const wrong = await client.post(url, { certificate }, { key: rawClient(ca).keys });
    expect(wrong.body.type).toBe(urn("unauthorized"));
    expect((await client.post(url, { certificate, reason: 1 }, { key })).status).toBe(200);
    const again = await client.order(["example.com"]);
    const refused = await client.post(again.body.finalize, { csr });
    expect(refused.body.detail).toMatch(/compromised/);

    const other = rawClient(ca);
    await other.register();
    const second = await issue(client, web, ["example.com"]);
    await issue(other, web, ["example.com"]);
    const another = new X509Certificate(second.chain.text).raw.toString("base64url");
    expect((await other.post(url, { certificate: another })).status).toBe(200);
  });
});

describe("renewal information", () => {
  test("the renewal window follows from the lifetime, is in the past after revocation, and can be set by a test", async () => {
    const { chain } = await issue(client, web, ["example.com"]);
    const id = idOf(chain.text);
    const usual = await ari(id);
    expect(usual.body.suggestedWindow).toEqual({
      start: "2026-07-01T15:47:59Z",
      end: "2026-07-05T06:11:59Z",
    });
    expect(usual.headers["retry-after"]).toBe("21600");
    expect(usual.headers["replay-nonce"]).toBeUndefined();
    const certificate = new X509Certificate(chain.text).raw.toString("base64url");
    await client.post(`${client.base}/revoke-cert`, { certificate });
    const { end } = (await ari(id)).body.suggestedWindow;
    expect(new Date(end) < time).toBe(true);
    ca.setRenewalInfo(id, {
      start: time,
      end: new Date(time.getTime() + day),
      explanationUrl: "https://ca.example/incident",
      retryAfter: 60,
    });
    const set = await ari(id);
    expect(set.body).toEqual({
      suggestedWindow: { start: "2026-05-04T12:00:00Z", end: "2026-05-05T12:00:00Z" },
      explanationURL: "https://ca.example/incident",
    });
    expect(set.headers["retry-after"]).toBe("60");
  });

  test("renewal information is refused for malformed (400) and unknown (404) certificate identifiers", async () => {
    expect((await ari("abc")).status).toBe(400);
    expect((await ari("aYhba4dGQEHhs3uEe6CuLN4ByNQ=.AIdlQyE")).status).toBe(400);
    expect((await ari("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")).status).toBe(404);
  });

  test("one order can replace a certificate of the same account with a shared name", async () => {
    const { chain } = await issue(client, web, ["example.com"]);
    const replaces = idOf(chain.text);
    const placed = await client.order(["example.com", "www.example.com"], { replaces });
    expect(placed.body.replaces).toBe(replaces);
    const twice = await client.order(["example.com"], { replaces });
    expect([twice.status, twice.body.type]).toEqual([409, urn("alreadyReplaced")]);
    const [, www = ""] = placed.body.authorizations;
    await client.post(www, { status: "deactivated" });
    expect((await client.order(["example.com"], { replaces })).status).toBe(201);
  });

  test("replacing a certificate that is unknown, of another account or of other names is refused", async () => {
    const { chain } = await issue(client, web, ["example.com"]);
    const replaces = idOf(chain.text);
    const other = await client.order(["example.org"], { replaces });
    expect(other.body.type).toBe(urn("malformed"));
    const unknown = await client.order(["example.com"], { replaces: "AAAA.AAAA" });
    expect([unknown.status, unknown.body.type]).toEqual([404, urn("malformed")]);
    const stranger = rawClient(ca);
    await stranger.register();
    const stolen = await stranger.order(["example.com"], { replaces });
    expect(stolen.body.type).toBe(urn("unauthorized"));
  });
});

function spoilt(csr: string): string {
  const der = Buffer.from(csr, "base64url");
  const last = der.length - 1;
  der.writeUInt8((der[last] ?? 0) ^ 1, last);
  return der.toString("base64url");
}

async function ready(names: string[]): Promise<string> {
  const { body } = await client.order(names);
  for (const url of body.authorizations) {
    const challenge = await challengeOf(client, url, "http-01");
    web.answer(challenge.token, keyAuthorization(challenge.token, client.keys));
    await client.post(challenge.url, {});
  }
  return body.finalize;
}

/** RFC 9773 §4.1, read from the DER by hand. */
function idOf(pem: string): string {
  const der = new X509Certificate(pem).raw;
  const at = der.indexOf(Buffer.from("0603551d23", "hex"));
  const keyIdentifier = der.subarray(at + 11, at + 31).toString("base64url");
  const start = der.indexOf(0x02, der.indexOf(Buffer.from("a003020102", "hex")) + 5);
  const serial = der.subarray(start + 2, start + 2 + (der[start + 1] ?? 0));
  return `${keyIdentifier}.${serial.toString("base64url")}`;
}

function ari(id: string): Promise<Reply> {
  return request(ca, `${client.base}/renewal-info/${id}`);
}
