import { readFile } from "node:fs/promises";
import { recordingLog } from "acmectl/testing";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  accountId,
  cloudflareError,
  cloudflareKey,
  cloudflareToken,
  startCloudflareFake,
} from "../../test/support/fakes/cloudflare.ts";
import {
  call,
  challenge,
  providerTest,
  providerTools,
  target,
  tlsa,
} from "../../test/support/provider-test.ts";
import { startProxy } from "../../test/support/servers/proxy.ts";
import cloudflare from "./index.ts";

const fake = await startCloudflareFake();
const setup = {
  plugin: cloudflare,
  fake,
  options: {
    apiToken: cloudflareToken,
    zoneToken: undefined,
    apiKey: undefined,
    email: undefined,
    accountId: undefined,
    zoneId: undefined,
    ttl: 60,
    baseUrl: fake.url,
  },
  secrets: [cloudflareToken, cloudflareKey.apiKey],
};
const tools = providerTools(setup);
const { open, options, since, problem } = tools;

afterEach(() => {
  vi.unstubAllEnvs();
  fake.pageSize = 5_000;
});

const fixture = (name: string) => readFile(new URL(`fixtures/${name}`, import.meta.url), "utf8");
const headers = { "content-type": "application/json" };

const zones = new Map<string, string>();
let planted = "";
const conformZone = fake.addZone("conform.test");
providerTest(setup, tools, {
  conformance: {
    names: ["one.conform.test", "two.conform.test"],
    foreign: {
      plant: async ({ recordName: name }) => {
        const record = { type: "TXT", name, content: "foreign, no quotes", ttl: 300 };
        planted = fake.plant(conformZone, record);
      },
      look: async ({ recordName }) => fake.records(recordName).filter(({ id }) => id === planted),
      remove: async () => fake.unplant(planted),
    },
    broken: [
      {
        when: "the token is unknown",
        options: options({ apiToken: "x".repeat(40) }),
        says: /Zone:Read and DNS:Edit/,
      },
      {
        when: "the token is half",
        options: options({ apiToken: cloudflareToken.slice(0, 20) }),
        says: /Copy the credential again/,
      },
      {
        when: "the token holds a line break",
        options: options({ apiToken: `${cloudflareToken}\nx` }),
        says: /line break/,
      },
      {
        when: "the token is empty",
        options: options({ apiToken: "" }),
        says: /apiToken is empty/,
      },
      {
        when: "there are two kinds of credentials",
        options: options({ ...cloudflareKey }),
        says: /both apiToken and apiKey/,
      },
      {
        when: "there are no credentials",
        options: options({ apiToken: undefined }),
        says: /CLOUDFLARE_DNS_API_TOKEN/,
      },
      {
        when: "a key has no e-mail",
        options: options({ apiToken: undefined, apiKey: cloudflareKey.apiKey }),
        says: /CLOUDFLARE_EMAIL/,
      },
      {
        when: "an e-mail has no key",
        options: options({ apiToken: undefined, email: "ops@example.com" }),
        says: /without apiKey/,
      },
      {
        when: "e-mail and key do not match",
        options: options({ apiToken: undefined, ...cloudflareKey, email: "else@example.com" }),
        says: /else@example\.com.*Better/s,
      },
      { when: "the TTL is impossible", options: options({ ttl: 10 }), says: /1 for automatic/ },
      {
        when: "the TTL is Cloudflare's to refuse",
        options: options({ ttl: 45 }),
        says: /Invalid TTL/,
      },
      {
        when: "the zone id is no id",
        options: options({ zoneId: "conform.test" }),
        says: /32 hexadecimal/,
      },
    ],
  },
  addZone: (name) => zones.set(name, fake.addZone(name)),
  removeZone: (name) => fake.removeZone(zones.get(name) ?? ""),
  hidesGoneZones: true,
  show: (name) => `${name} (${zones.get(name)}`,
  actions: { list: "GET zones", write: "POST dns_records", remove: "DELETE dns_records" },
  refusal: (status, code, message, more = {}) => ({
    status,
    body: cloudflareError({ code: Number(code), message }),
    headers: { ...headers, ...more },
  }),
  limit: { code: "10429", hint: /1200 requests/, attempts: 5 },
  failures: [
    ["a token that is not allowed here", 403, "10000", "Authentication error", /IP address filter/],
    ["an invalid token", 403, "9109", "Invalid access token", /is active/],
    ["a token that lacks a right", 400, "1009", "Unauthorized", /DNS:Edit for this zone/],
    [
      "a CNAME in the way",
      400,
      "81053",
      "A CNAME record with that host exists.",
      /follow the CNAME/,
    ],
    ["a full zone", 400, "81045", "Record quota exceeded.", /as its plan allows/],
    ["an unknown error", 400, "1234", "Something new", /Something new \(1234\).*audit log/s],
    ["a zone that is gone", 404, "1001", "Invalid zone identifier", /was not deleted/],
  ],
  identity: "with the API token (apiToken)",
  portal: /captive portal.*CLOUDFLARE_BASE_URL/s,
  vendor: "Cloudflare",
  startFake: startCloudflareFake,
});

it("cloudflare explains a malformed credential by the chain of errors", async () => {
  const body = await fixture("malformed-key.json");
  fake.faults.add({ action: "GET zones", kind: { status: 400, body, headers } });
  const solver = await open({ apiToken: undefined, ...cloudflareKey });
  expect(await problem(solver.preflight([target("fail.test")], call))).toMatch(
    /Global API Key of ops@example\.com: Invalid request headers \(6003\); Invalid format for X-Auth-Key header \(6103\).*Copy the credential again/s,
  );
});

const sent = (from: number) =>
  fake.requests
    .slice(from)
    .map(({ headers }) => [
      headers["authorization"],
      headers["x-auth-key"],
      headers["x-auth-email"],
      headers["x-auth-user-service-key"],
    ]);

describe("credentials", () => {
  beforeAll(() => {
    fake.addZone("login.test");
  });
  it("cloudflare sends only the chosen credentials, whatever the environment contains", async () => {
    vi.stubEnv("CLOUDFLARE_API_TOKEN", "another-token");
    vi.stubEnv("CLOUDFLARE_API_KEY", "another-key");
    vi.stubEnv("CLOUDFLARE_EMAIL", "another@example.com");
    vi.stubEnv("CLOUDFLARE_API_USER_SERVICE_KEY", "v1.0-another");
    vi.stubEnv("CLOUDFLARE_BASE_URL", "http://127.0.0.1:9/");
    const from = fake.requests.length;
    await (await open()).preflight([target("login.test")], call);
    const byToken = [`Bearer ${cloudflareToken}`, undefined, undefined, undefined];
    expect(sent(from)).toEqual([byToken, byToken, byToken]);
    const then = fake.requests.length;
    await (
      await open({ apiToken: undefined, ...cloudflareKey })
    ).preflight([target("login.test")], call);
    const byKey = [undefined, cloudflareKey.apiKey, cloudflareKey.email, undefined];
    expect(sent(then)).toEqual([byKey, byKey]);
  });

  it("cloudflare uses the proxy from the environment", async () => {
    fake.addZone("proxied.test");
    await using proxy = await startProxy(() => Number(new URL(fake.url).port));
    vi.stubEnv("HTTP_PROXY", proxy.url);
    const solver = await open({ baseUrl: fake.url.replace("127.0.0.1", "api.example") });
    await solver.preflight([target("proxied.test")], call);
    expect(proxy.seen[0]).toContain("api.example:");
  });

  it("cloudflare finds zones with zoneToken and writes with apiToken", async () => {
    fake.addToken("r".repeat(40), { edit: false });
    fake.addToken("w".repeat(40), { read: false });
    const solver = await open({ apiToken: "w".repeat(40), zoneToken: "r".repeat(40) });
    const mine = challenge("login.test");
    const receipt = await solver.present(mine, call);
    expect(fake.values(mine.recordName)).toEqual([mine.recordValue]);
    await solver.cleanup(mine, receipt, call);
    const blind = await open({ apiToken: "w".repeat(40) });
    expect(await problem(blind.preflight([target("login.test")], call))).toMatch(
      /may not list zones|zone\.list.*CF_ZONE_ID/s,
    );
  });

  it("cloudflare reports a disabled token, and verifies an account's token at the account", async () => {
    fake.addToken("d".repeat(40), { status: "disabled" });
    const disabled = await open({ apiToken: "d".repeat(40) });
    expect(await problem(disabled.preflight([target("login.test")], call))).toMatch(
      /is disabled.*profile\/api-tokens/s,
    );
    fake.addToken("a".repeat(40), { status: "expired", account: accountId("main") });
    const expired = await open({ apiToken: "a".repeat(40), accountId: accountId("main") });
    expect(await problem(expired.preflight([target("login.test")], call))).toMatch(/is expired/);
    fake.addToken("o".repeat(40), { account: accountId("main") });
    await (await open({ apiToken: "o".repeat(40) })).preflight([target("login.test")], call);
  });

  it("cloudflare needs only DNS:Edit when zoneId is set", async () => {
    const zoneId = fake.addZone("edit.test");
    fake.addToken("e".repeat(40), { read: false, zones: [zoneId] });
    const solver = await open({ apiToken: "e".repeat(40), zoneId });
    const from = fake.requests.length;
    await solver.preflight([target("edit.test"), target("www.edit.test")], call);
    await solver.present(challenge("edit.test"), call);
    expect(since(from)).toEqual(["GET verify", "GET zone", "GET dns_records", "POST dns_records"]);
    const elsewhere = await problem(solver.present(challenge("www.else.test"), call));
    expect(elsewhere).toMatch(/DNS Validation Error \(1004\).*in this zone.*CF_ZONE_ID/s);
  });

  it("cloudflare rejects a wrong zoneId before an order", async () => {
    const zoneId = fake.addZone("other.test");
    fake.addToken("h".repeat(40), { read: false });
    fake.addToken("z".repeat(40), { edit: false });
    const solver = await open({ apiToken: "h".repeat(40), zoneToken: "z".repeat(40), zoneId });
    await solver.preflight([target("www.other.test")], call);
    const said = await problem(
      solver.preflight([target("other.test"), target("another.test")], call),
    );
    expect(said).toContain(
      `_acme-challenge.another.test is not in the configured zone other.test (${zoneId})`,
    );
    expect(said).toContain("leave zoneId out");
    const none = await open({ zoneId: "not-an-id" });
    expect(await problem(none.preflight([target("other.test")], call))).toMatch(/32 hexadecimal/);
  });

  it("cloudflare asks for the state of the token once, also without an answer", async () => {
    fake.addZone("once.test");
    const from = fake.requests.length;
    fake.faults.add({ action: "GET verify", times: 9, kind: "drop before" });
    const solver = await open({ accountId: accountId("main") });
    await solver.preflight([target("once.test")], call);
    expect(since(from)).toEqual(["GET verify", "GET zones", "GET dns_records"]);
  });
});

describe("choosing the zone", () => {
  it("cloudflare finds a zone on a later page by its name, each suffix once", async () => {
    const far = fake.addZone("far.pages.test");
    fake.pageSize = 1;
    const solver = await open();
    const from = fake.requests.length;
    for (const name of ["a.far.pages.test", "b.far.pages.test"])
      expect((await solver.present(challenge(name), call)).zoneId).toBe(far);
    const asked = fake.requests
      .slice(from)
      .flatMap(({ action, query }) => (action === "GET zones" ? [query["name"]] : []));
    expect(asked).toEqual([
      undefined,
      "_acme-challenge.a.far.pages.test",
      "a.far.pages.test",
      "far.pages.test",
      "_acme-challenge.b.far.pages.test",
      "b.far.pages.test",
    ]);
  });

  it("cloudflare prefers the active zone, warns of a pending one, and names all if several are active", async () => {
    const log = recordingLog();
    fake.addZone("moved.test", { status: "moved", account: accountId("old") });
    const active = fake.addZone("moved.test");
    expect((await (await open()).present(challenge("moved.test"), call)).zoneId).toBe(active);
    fake.addZone("pending.test", { status: "pending" });
    await (await open({}, { log })).present(challenge("pending.test"), call);
    expect(log.entries.find(({ level }) => level === "warn")?.message).toMatch(
      /pending\.test .* is pending/,
    );
    const one = fake.addZone("twice.test", { account: accountId("one") });
    const two = fake.addZone("twice.test", { account: accountId("two") });
    const said = await problem((await open()).preflight([target("twice.test")], call));
    for (const known of [one, two, accountId("one"), accountId("two"), "CF_ACCOUNT_ID"])
      expect(said).toContain(known);
    const solver = await open({ accountId: accountId("two") });
    expect((await solver.present(challenge("twice.test"), call)).zoneId).toBe(two);
  });

  it("cloudflare lists the zones it sees when none holds the name", async () => {
    const only = fake.addZone("seen.test");
    fake.addToken("s".repeat(40), { zones: [only] });
    const solver = await open({ apiToken: "s".repeat(40) });
    expect(await problem(solver.preflight([target("www.unseen.example")], call))).toMatch(
      new RegExp(
        `_acme-challenge\\.www\\.unseen\\.example.*see seen\\.test \\(${only}, active, account [^.]*\\.`,
        "s",
      ),
    );
    fake.addToken("n".repeat(40), { zones: [] });
    const blind = await open({ apiToken: "n".repeat(40) });
    expect(await problem(blind.preflight([target("seen.test")], call))).toContain(
      "see no zone at all",
    );
  });
});

describe("writing", () => {
  const zoneId = fake.addZone("fixture.test");
  const name = "_acme-challenge.fixture.test";

  it("cloudflare sends the documented record and keeps the id of the answer", async () => {
    const from = fake.requests.length;
    const value = "ADw2sEd82DUgXcQ9hNBZThJs7zVJkR5v9JeSbAb9mZY";
    fake.faults.add({
      action: "POST dns_records",
      kind: {
        status: 200,
        body: await fixture("create-record.json"),
        headers: { "content-type": "application/json" },
      },
    });
    const solver = await open({ ttl: 120 });
    const receipt = await solver.present(
      { ...challenge("fixture.test"), recordValue: value },
      call,
    );
    expect(receipt).toEqual({
      zoneId,
      zoneName: "fixture.test",
      recordId: "023e105f4ecef8ad9ca31a8372d0c353",
    });
    expect(fake.requests.slice(from).at(-1)?.body).toEqual(
      JSON.parse(await fixture("create-record.request.json")),
    );
  });

  it("cloudflare cleans up a value without quotes on any page, and a record that is gone", async () => {
    const mine = challenge("fixture.test");
    for (const content of ["a", "b", "c", mine.recordValue])
      fake.plant(zoneId, { type: "TXT", name, content, ttl: 300 });
    fake.pageSize = 2;
    const solver = await open();
    await solver.cleanup(mine, undefined, call);
    expect(fake.values(name)).toEqual(["a", "b", "c"]);
    await solver.cleanup(mine, { zoneId, recordId: "0".repeat(32) }, call);
    expect(fake.values(name)).toEqual(["a", "b", "c"]);
  });

  it("cloudflare writes 20 names of a zone in one batch, and removes them in one", async () => {
    const many = Array.from({ length: 20 }, (_, index) => challenge(`h${index}.fixture.test`));
    const solver = await open();
    const from = fake.requests.length;
    const receipts = await solver.presentAll(many, call);
    for (const { recordName, recordValue } of many)
      expect(fake.values(recordName)).toEqual([recordValue]);
    const items = many.map((challenge, index) => ({ challenge, receipt: receipts[index] }));
    await solver.cleanupAll(JSON.parse(JSON.stringify(items)), call);
    expect(many.flatMap(({ recordName }) => fake.records(recordName))).toEqual([]);
    expect(since(from)).toEqual(["GET zones", "POST batch", "POST batch"]);
  });

  it("cloudflare writes one by one when a batch is refused, and splits a long batch", async () => {
    const many = Array.from({ length: 130 }, (_, index) => challenge(`s${index}.fixture.test`));
    const solver = await open();
    await solver.present(many[120] ?? challenge("none"), call);
    const from = fake.requests.length;
    const receipts = await solver.presentAll(many, call);
    expect(since(from).filter((action) => action === "POST batch")).toHaveLength(2);
    expect(receipts.map(({ recordId }) => recordId)).toEqual(
      many.flatMap(({ recordName }) => fake.records(recordName).map(({ id }) => id)),
    );
    const items = many.map((challenge, index) => ({ challenge, receipt: receipts[index] }));
    await solver.cleanup(many[7] ?? challenge("none"), receipts[7], call);
    await solver.cleanupAll(items, call);
    expect(many.flatMap(({ recordName }) => fake.records(recordName))).toEqual([]);
  });

  it("cloudflare succeeds when a batch was done and its answer got lost", async () => {
    const pair = [challenge("x.fixture.test"), challenge("y.fixture.test")];
    const solver = await open();
    fake.faults.add({ action: "POST batch", kind: "drop after" });
    const receipts = await solver.presentAll(pair, call);
    for (const [index, { recordName }] of pair.entries())
      expect(fake.records(recordName).map(({ id }) => id)).toEqual([receipts[index]?.recordId]);
    const items = pair.map((challenge) => ({ challenge, receipt: undefined }));
    await solver.cleanupAll(items, call);
    expect(pair.flatMap(({ recordName }) => fake.records(recordName))).toEqual([]);
  });
});

it("cloudflare writes TLSA records beside others, and removes only its own", async () => {
  const zone = fake.addZone("dane.test");
  const at = "_25._tcp.mail.dane.test";
  const foreign = `3 1 1 ${"00".repeat(32)}`;
  fake.plant(zone, { type: "TLSA", name: at, content: foreign, ttl: 300 });
  const [one, two] = [tlsa("mail.dane.test", "0f"), tlsa("mail.dane.test", "a0")];
  const solver = await open();
  await solver.preflight?.([{ ...target("mail.dane.test"), recordName: at }], call);
  const receipts = [await solver.present(one, call), await solver.present(two, call)];
  expect(fake.records(at).map(({ content }) => content)).toEqual([
    foreign,
    one.recordValue,
    two.recordValue,
  ]);
  await solver.cleanup(one, receipts[0], call);
  await solver.cleanup(two, undefined, call);
  expect(fake.records(at).map(({ content }) => content)).toEqual([foreign]);
});
