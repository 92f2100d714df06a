import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestCa, type TestCa } from "../../src/test-ca/test-ca.ts";
import {
  ecKeys,
  encode,
  jws,
  rawClient,
  request,
  rsaKeys,
  type RawClient,
  type Tweak,
} from "./raw-client.ts";

let ca: TestCa;
let client: RawClient;
beforeAll(async () => {
  ca = await startTestCa();
  client = rawClient(ca);
  await client.register();
});
afterAll(() => ca.close());

const urn = (type: string): string => `urn:ietf:params:acme:error:${type}`;

describe("signed requests", () => {
  const cases: [string, Tweak, string, number][] = [
    ["with another media type", { contentType: "application/json" }, "malformed", 415],
    ["that is not a JWS", { body: () => [] }, "malformed", 400],
    [
      "in the general serialization",
      { body: ({ payload, ...signature }) => ({ payload, signatures: [signature] }) },
      "malformed",
      400,
    ],
    ["with an unprotected header", { body: (good) => ({ ...good, header: {} }) }, "malformed", 400],
    [
      "with padded base64url",
      { body: (good) => ({ ...good, payload: `${good["payload"]}=` }) },
      "malformed",
      400,
    ],
    [
      "whose payload was changed",
      { body: (good) => ({ ...good, payload: encode({ contact: [] }) }) },
      "malformed",
      400,
    ],
    ["without alg", { header: { alg: undefined } }, "badSignatureAlgorithm", 400],
    ["with alg none", { header: { alg: "none" } }, "badSignatureAlgorithm", 400],
    ["with a MAC", { header: { alg: "HS256" } }, "badSignatureAlgorithm", 400],
    ["with the alg of another key", { header: { alg: "ES384" } }, "badSignatureAlgorithm", 400],
    ["without nonce", { header: { nonce: undefined } }, "badNonce", 400],
    ["with an unknown nonce", { header: { nonce: "bm9uY2U" } }, "badNonce", 400],
    ["for another url", { header: { url: "https://ca.example/x" } }, "unauthorized", 403],
    ["without url", { header: { url: undefined } }, "unauthorized", 403],
    ["with crit", { header: { crit: ["exp"], exp: 1 } }, "malformed", 400],
    ["with neither jwk nor kid", { header: { kid: undefined } }, "malformed", 400],
    ["with jwk and kid", { header: { jwk: {} } }, "malformed", 400],
    ["with a jwk where a kid belongs", { key: ecKeys() }, "malformed", 400],
    ["with an unknown kid", { header: { kid: "https://x/account/1" } }, "accountDoesNotExist", 400],
  ];
  test.each(cases)("a POST is refused %s", async (_, tweak, type, status) => {
    const reply = await client.post(String(client.kid), { contact: ["mailto:a@b.example"] }, tweak);
    expect(reply.body.type).toBe(urn(type));
    expect(reply.status).toBe(status);
    expect(reply.headers["content-type"]).toBe("application/problem+json");
    expect(reply.headers["replay-nonce"]).toMatch(/^[\w-]{22}$/);
    expect(reply.headers["link"]).toBe(`<${ca.directoryUrl}>;rel="index"`);
    if (type === "badSignatureAlgorithm") expect(reply.body.algorithms).toContain("ES256");
  });

  test("a nonce that was used already is refused", async () => {
    const nonce = await client.nonce();
    const first = await client.post(String(client.kid), "", { header: { nonce } });
    const second = await client.post(String(client.kid), "", { header: { nonce } });
    expect([first.status, second.status, second.body.type]).toEqual([200, 400, urn("badNonce")]);
    const nonceOfTheRefusal = String(second.headers["replay-nonce"]);
    const third = await client.post(String(client.kid), "", {
      header: { nonce: nonceOfTheRefusal },
    });
    expect(third.status).toBe(200);
  });

  test("a POST or GET without a User-Agent is refused", async () => {
    const reply = await request(ca, ca.directoryUrl, { headers: { "user-agent": "" } });
    expect(reply.status).toBe(400);
  });

  test("a request with the wrong method or to an unknown path is refused", async () => {
    const read = await client.get(`${client.base}/new-order`);
    expect([read.status, read.headers.allow]).toEqual([405, "POST"]);
    expect((await client.get(String(client.kid))).status).toBe(405);
    expect((await client.get(`${client.base}/admin`)).status).toBe(404);
    expect((await client.post(`${client.base}/order/none`, "")).status).toBe(404);
  });
});

describe("keys of accounts", () => {
  test.each([
    ["P-256", ecKeys(), 201],
    ["P-384", ecKeys("P-384"), 201],
    ["RSA 2048", rsaKeys(), 201],
    ["P-521", ecKeys("P-521"), 400],
    ["RSA 1024", rsaKeys(1024), 400],
  ])("an account key of type %s is accepted or refused", async (_, keys, status) => {
    const reply = await rawClient(ca, keys).register();
    expect(reply.status).toBe(status);
    if (status === 400) expect(reply.body.type).toBe(urn("badPublicKey"));
  });

  test("a jwk with private members is refused", async () => {
    const keys = ecKeys();
    const url = `${client.base}/new-account`;
    const header = {
      alg: "ES256",
      nonce: await client.nonce(),
      url,
      jwk: keys.privateKey.export({ format: "jwk" }),
    };
    const body = JSON.stringify(jws(header, {}, keys.privateKey));
    const headers = { "content-type": "application/jose+json" };
    const reply = await request(ca, url, { method: "POST", body, headers });
    expect(reply.body.detail).toMatch(/private member "d"/);
  });
});

test("newNonce answers 200 to HEAD and 204 to GET, each with a new nonce that is not cached", async () => {
  const head = await client.get(`${client.base}/new-nonce`, "HEAD");
  const get = await client.get(`${client.base}/new-nonce`);
  expect([head.status, get.status]).toEqual([200, 204]);
  expect(head.headers["replay-nonce"]).not.toBe(get.headers["replay-nonce"]);
  expect(get.headers["cache-control"]).toBe("no-store");
});

test("the directory has every resource, its profiles, and one unknown member", async () => {
  const { body, headers } = await client.get(ca.directoryUrl);
  const { meta, ...urls } = body;
  expect(Object.keys(urls)).toHaveLength(7);
  expect(urls).toMatchObject({
    newNonce: `${client.base}/new-nonce`,
    newAccount: `${client.base}/new-account`,
    newOrder: `${client.base}/new-order`,
    keyChange: `${client.base}/key-change`,
    revokeCert: `${client.base}/revoke-cert`,
    renewalInfo: `${client.base}/renewal-info`,
  });
  expect(Object.keys(meta["profiles"] as object)).toEqual(["classic", "tlsserver", "shortlived"]);
  expect(headers["link"]).toBeUndefined();
});

test("the directory and newNonce answer to POST-as-GET too", async () => {
  expect((await client.post(ca.directoryUrl, "")).body.newNonce).toBe(`${client.base}/new-nonce`);
  const nonce = await client.post(`${client.base}/new-nonce`, "");
  expect([nonce.status, typeof nonce.headers["replay-nonce"]]).toEqual([204, "string"]);
  expect((await client.post(ca.directoryUrl, {})).body.type).toBe(urn("malformed"));
});

test("badNonceRate refuses that share of good nonces", async () => {
  const moody = await startTestCa({ badNonceRate: 1 });
  const reply = await rawClient(moody).register();
  expect(reply.body.type).toBe(urn("badNonce"));
  await moody.close();
});

test("every request is recorded with its decoded JWS", async () => {
  const from = ca.requests.length;
  await client.post(String(client.kid), "");
  const [nonce, read] = ca.requests.slice(from);
  expect(nonce).toMatchObject({ method: "HEAD", kind: "newNonce", status: 200 });
  expect(read).toMatchObject({ method: "POST", kind: "account", status: 200, payload: "" });
  expect(read?.protected).toMatchObject({ alg: "ES256", kid: client.kid });
});
