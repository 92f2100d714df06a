import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestCa, type TestCa } from "../../src/test-ca/test-ca.ts";
import { challengeOf } from "./loopback.ts";
import {
  algorithmOf,
  ecKeys,
  jws,
  rawClient,
  rsaKeys,
  type Keys,
  type RawClient,
} from "./raw-client.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await startTestCa();
});
afterAll(() => ca.close());

const urn = (type: string): string => `urn:ietf:params:acme:error:${type}`;

async function registered(): Promise<RawClient> {
  const client = rawClient(ca);
  await client.register({ contact: ["mailto:ops@example.com"], termsOfServiceAgreed: true });
  return client;
}

describe("newAccount", () => {
  test("newAccount registers a key once and then finds its account", async () => {
    const client = rawClient(ca);
    const none = await client.register({ onlyReturnExisting: true });
    expect([none.status, none.body.type]).toEqual([400, urn("accountDoesNotExist")]);
    const first = await client.register({ contact: ["mailto:ops@example.com"] });
    expect([first.status, first.body.status]).toEqual([201, "valid"]);
    const again = rawClient(ca, client.keys);
    const second = await again.register({ onlyReturnExisting: true });
    expect([second.status, second.headers.location]).toEqual([200, first.headers.location]);
    expect(second.body.contact).toEqual(["mailto:ops@example.com"]);
  });

  test.each([
    ["tel:+155512345", "unsupportedContact"],
    ["mailto:ops@example.com?subject=hi", "invalidContact"],
    ["mailto:ops@example.com,dev@example.com", "invalidContact"],
    ["mailto:ops", "invalidContact"],
  ])("newAccount refuses the contact %s", async (contact, type) => {
    expect((await rawClient(ca).register({ contact: [contact] })).body.type).toBe(urn(type));
  });

  test("newAccount requires agreement to the terms of service if there are any", async () => {
    const terms = "https://ca.example/terms/v7";
    const strict = await startTestCa({ termsOfService: terms });
    const silent = await rawClient(strict).register({});
    expect([silent.status, silent.body.type]).toEqual([403, urn("userActionRequired")]);
    expect(silent.headers["link"]).toContain(`<${terms}>;rel="terms-of-service"`);
    const agreed = await rawClient(strict).register({ termsOfServiceAgreed: true });
    expect(agreed.status).toBe(201);
    expect((await rawClient(strict).get(strict.directoryUrl)).body.meta["termsOfService"]).toBe(
      terms,
    );
    await strict.close();
  });
});

describe("an account", () => {
  test("an account can be read and updated, and an update that changes nothing is refused", async () => {
    const client = await registered();
    const url = String(client.kid);
    expect((await client.post(url, "")).body.contact).toEqual(["mailto:ops@example.com"]);
    const updated = await client.post(url, { contact: ["mailto:new@example.com"] });
    expect(updated.body.contact).toEqual(["mailto:new@example.com"]);
    expect((await client.post(url, {})).body.detail).toMatch(/POST-as-GET/);
    expect((await client.post(url, { status: "revoked" })).status).toBe(400);
    const other = await registered();
    expect((await client.post(String(other.kid), "")).body.type).toBe(urn("unauthorized"));
  });

  test("a deactivated account stays deactivated, with its pending authorizations", async () => {
    const client = await registered();
    await client.order(["gone.example.com"]);
    const gone = await client.post(String(client.kid), { status: "deactivated" });
    expect(gone.body.status).toBe("deactivated");
    const refused = await client.post(String(client.kid), "");
    expect([refused.status, refused.body.type]).toEqual([401, urn("unauthorized")]);
    expect((await rawClient(ca, client.keys).register()).status).toBe(401);
  });

  test("an account lists its orders in pages", async () => {
    const client = await registered();
    for (let count = 0; count < 51; count += 1) await client.order([`n${count}.example.com`]);
    const first = await client.post(`${client.kid}/orders`, "");
    expect(first.body.orders).toHaveLength(50);
    const next = /<([^>]+)>;rel="next"/.exec(String(first.headers["link"]))?.[1];
    const second = await client.post(String(next), "");
    expect(second.body.orders).toHaveLength(1);
    expect(second.headers["link"]).not.toContain("next");
  });
});

describe("keyChange", () => {
  test("keyChange moves an account and its challenges to the new key", async () => {
    const client = await registered();
    const fresh = rsaKeys();
    expect((await change(client, fresh)).status).toBe(200);
    expect((await client.post(String(client.kid), "")).status).toBe(400);
    const moved = rawClient(ca, fresh);
    const found = await moved.register({ onlyReturnExisting: true });
    expect(found.headers.location).toBe(client.kid);
    const placed = await moved.order(["moved.example.com"]);
    const [authorization = ""] = placed.body.authorizations;
    expect(await challengeOf(moved, authorization, "http-01")).toBeDefined();
  });

  test("keyChange refuses a key in use with 409 and the URL of its account", async () => {
    const client = await registered();
    const other = await registered();
    const reply = await change(client, other.keys);
    expect([reply.status, reply.headers.location]).toEqual([409, other.kid]);
  });

  test.each([
    ["with a nonce inside", { nonce: "bm9uY2U" }, {}],
    ["for another url inside", { url: "https://ca.example/key-change" }, {}],
    ["with a kid inside", { kid: "https://ca.example/account/1" }, {}],
    ["for another account", {}, { account: "https://ca.example/account/1" }],
    ["with another oldKey", {}, { oldKey: ecKeys().publicKey.export({ format: "jwk" }) }],
    ["without oldKey", {}, { oldKey: undefined }],
  ])("keyChange is refused %s", async (_, inner, payload) => {
    const client = await registered();
    const reply = await change(client, ecKeys(), inner, payload);
    expect([reply.status, reply.body.type]).toEqual([400, urn("malformed")]);
    expect((await client.post(String(client.kid), "")).status).toBe(200);
  });
});

describe("an external account binding", () => {
  const secret = Buffer.from("0123456789abcdef0123456789abcdef");
  const kid = "kid-1";

  async function bind(header: object, key: Buffer = secret, bound?: Keys) {
    const bindingCa = await startTestCa({ eab: { [kid]: secret.toString("base64url") } });
    const client = rawClient(bindingCa);
    const url = `${client.base}/new-account`;
    const jwk = (bound ?? client.keys).publicKey.export({ format: "jwk" });
    const externalAccountBinding = jws({ alg: "HS256", kid, url, ...header }, jwk, key);
    const reply = await client.register({ externalAccountBinding });
    const bare = await rawClient(bindingCa).register();
    await bindingCa.close();
    expect([bare.status, bare.body.type]).toEqual([403, urn("externalAccountRequired")]);
    return reply;
  }

  test("an external account binding is accepted and shown in the account", async () => {
    const reply = await bind({});
    expect(reply.status).toBe(201);
    const {
      payload,
      protected: head,
      signature,
    } = reply.body.externalAccountBinding as Record<string, string>;
    const mac = createHmac("sha256", secret).update(`${head}.${payload}`).digest("base64url");
    expect(signature).toBe(mac);
  });

  test.each([
    ["by a key that is not the kid's", {}, Buffer.from("wrong"), undefined, "unauthorized"],
    ["with an unknown kid", { kid: "kid-2" }, secret, undefined, "unauthorized"],
    [
      "with the kid of an object's own member",
      { kid: "toString" },
      secret,
      undefined,
      "unauthorized",
    ],
    ["for another url", { url: "https://ca.example/" }, secret, undefined, "malformed"],
    ["with a nonce", { nonce: "bm9uY2U" }, secret, undefined, "malformed"],
    ["of another key", {}, secret, ecKeys(), "malformed"],
    ["signed and not MACed", { alg: "RS256" }, secret, undefined, "malformed"],
  ])("an external account binding is refused %s", async (_, header, key, bound, type) => {
    expect((await bind(header, key, bound)).body.type).toBe(urn(type));
  });
});

async function change(client: RawClient, fresh: Keys, inner: object = {}, payload: object = {}) {
  const url = `${client.base}/key-change`;
  const jwk = fresh.publicKey.export({ format: "jwk" });
  const oldKey = client.keys.publicKey.export({ format: "jwk" });
  const header = { alg: algorithmOf(fresh), jwk, url, ...inner };
  const body = { account: client.kid, oldKey, ...payload };
  return client.post(url, jws(header, body, fresh.privateKey));
}
