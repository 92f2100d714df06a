import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  digitalOceanError,
  digitalOceanToken,
  startDigitalOceanFake,
} from "../../test/support/fakes/digitalocean.ts";
import { optionsFrom } from "../../test/support/options.ts";
import {
  call,
  challenge,
  providerTest,
  providerTools,
  target,
} from "../../test/support/provider-test.ts";
import digitalocean from "./index.ts";

const fake = await startDigitalOceanFake();
const setup = {
  plugin: digitalocean,
  fake,
  options: { token: digitalOceanToken, domain: undefined, ttl: 30, apiUrl: fake.url },
  secrets: [digitalOceanToken],
};
const tools = providerTools(setup);
const { open, options, since, failure, problem } = tools;

afterEach(() => {
  fake.pageSize = 200;
});

const refusal = (status: number, id: string, message: string, headers = {}) => ({
  status,
  body: digitalOceanError(id, message),
  headers: { "content-type": "application/json", ...headers },
});

let planted = 0;
fake.addDomain("conform.test");
providerTest(setup, tools, {
  conformance: {
    names: ["one.conform.test", "two.conform.test"],
    foreign: {
      plant: async ({ recordName }) => {
        const name = recordName.replace(".conform.test", "");
        const record = { type: "TXT", name, data: "somebody else's", ttl: 1_800 };
        planted = fake.plant("conform.test", record);
      },
      look: async ({ recordName }) => fake.records(recordName).filter(({ id }) => id === planted),
      remove: async () => fake.unplant(planted),
    },
    broken: [
      {
        when: "the token is unknown",
        options: options({ token: `dop_v1_${"f".repeat(64)}` }),
        says: /Unable to authenticate you.*domain:read and domain:update.*DO_AUTH_TOKEN/s,
      },
      {
        when: "half of the token is missing",
        options: options({ token: digitalOceanToken.slice(0, 30) }),
        says: /not copied whole/,
      },
      {
        when: "the token contains a line break",
        options: options({ token: `${digitalOceanToken}\nx` }),
        says: /line break/,
      },
      { when: "the token is empty", options: options({ token: "" }), says: /is empty/ },
      {
        when: "the configured domain does not hold the name",
        options: options({ domain: "else.test" }),
        says: /not in the configured domain else\.test.*select\.zones/s,
      },
    ],
  },
  addZone: (name) => fake.addDomain(name),
  removeZone: (name) => fake.removeDomain(name),
  actions: { list: "GET domains", write: "POST records", remove: "DELETE records" },
  refusal,
  limit: { code: "too_many_requests", hint: /250 requests a minute and 5000 an hour/, attempts: 5 },
  failures: [
    ["a revoked token", 401, "unauthorized", "Unable to authenticate you.", /revoked/],
    ["a missing scope", 403, "forbidden", "You are not authorized", /domain:update/],
    ["a domain that is gone", 404, "not_found", "could not be found", /domain was not removed/],
    ["a CNAME in the way", 422, "unprocessable_entity", "CNAME records cannot share", /follow it/],
    ["an unknown error", 451, "teapot", "No more today", /status\.digitalocean\.com/],
  ],
  identity: "with the API token (token)",
  portal: /captive portal/,
  vendor: "DigitalOcean",
  startFake: startDigitalOceanFake,
});

describe("credentials", () => {
  it("digitalocean reads its token from known variables, or from files that these name", async () => {
    const folder = await mkdtemp(join(tmpdir(), "digitalocean-"));
    const file = join(folder, "token");
    await writeFile(file, `${digitalOceanToken}\n`);
    for (const name of [
      "ACMECTL_DIGITALOCEAN_TOKEN",
      "DO_AUTH_TOKEN",
      "DIGITALOCEAN_TOKEN",
      "DIGITALOCEAN_ACCESS_TOKEN",
      "DO_API_KEY",
    ])
      for (const env of [{ [name]: digitalOceanToken }, { [`${name}_FILE`]: file }]) {
        const found = await optionsFrom(digitalocean, "digitalocean", {
          ...env,
          DO_API_URL: fake.url,
        });
        expect(found).toEqual(options());
      }
    await rm(folder, { recursive: true });
  });

  it("digitalocean takes the first variable of its table, acmectl's own first", async () => {
    const env = { DO_AUTH_TOKEN: "second", DO_API_KEY: "third" };
    expect((await optionsFrom(digitalocean, "digitalocean", env)).token).toBe("second");
    const own = { ...env, ACMECTL_DIGITALOCEAN_TOKEN: "first" };
    expect((await optionsFrom(digitalocean, "digitalocean", own)).token).toBe("first");
  });

  it("digitalocean without a token names every variable for it", async () => {
    expect(await problem(optionsFrom(digitalocean, "digitalocean", {}))).toMatch(
      /domain:read and domain:update.*ACMECTL_DIGITALOCEAN_TOKEN, or DO_AUTH_TOKEN/s,
    );
  });

  it("digitalocean needs domain:read and domain:update, or create and delete instead of update", async () => {
    fake.addDomain("scopes.test");
    const mine = challenge("scopes.test");
    fake.addToken("finegrained", ["read", "create", "delete"]);
    const solver = await open({ token: "finegrained" });
    await solver.cleanup(mine, await solver.present(mine, call), call);
    fake.addToken("readonly", ["read"]);
    const reader = await open({ token: "readonly" });
    await reader.preflight([target("scopes.test")], call);
    expect(await problem(reader.present(mine, call))).toMatch(
      /_acme-challenge\.scopes\.test in domain scopes\.test.*not authorized.*domain:create/s,
    );
    fake.addToken("blind", ["update"]);
    const blind = await open({ token: "blind" });
    expect((await failure(blind.preflight([target("scopes.test")], call))).document.title).toBe(
      "The token lacks a scope",
    );
  });
});

describe("choosing the domain", () => {
  it("digitalocean finds a domain on a later page, and does not follow the answer's next address", async () => {
    for (const name of ["a.pages.test", "b.pages.test", "c.pages.test"]) fake.addDomain(name);
    fake.pageSize = 2;
    const solver = await open();
    const from = fake.requests.length;
    expect((await solver.present(challenge("c.pages.test"), call)).zoneId).toBe("c.pages.test");
    expect(fake.requests[from]?.query).toEqual({ page: "1", per_page: "200" });
    const elsewhere = {
      domains: [{ name: "other.example" }],
      links: { pages: { next: "http://127.0.0.1:9/v2/domains?page=2" } },
    };
    fake.faults.add({
      action: "GET domains",
      kind: { status: 200, body: JSON.stringify(elsewhere) },
    });
    await (await open()).preflight([target("c.pages.test")], call);
  });

  it("digitalocean lists no domains when one is configured, with or without its dot", async () => {
    fake.addDomain("fixed.test");
    const from = fake.requests.length;
    const solver = await open({ domain: "Fixed.test." });
    await solver.preflight([target("fixed.test"), target("www.fixed.test")], call);
    expect(since(from)).toEqual(["GET records"]);
  });

  it("digitalocean names the domains of the token's team if none holds the name", async () => {
    fake.addDomain("team.test");
    fake.addToken("team", ["read", "update"], ["team.test"]);
    const solver = await open({ token: "team" });
    expect(await problem(solver.preflight([target("www.unseen.example")], call))).toMatch(
      /see team\.test\..*DO_AUTH_TOKEN/s,
    );
    fake.addToken("nobody", ["read", "update"], []);
    const blind = await open({ token: "nobody" });
    expect(await problem(blind.preflight([target("team.test")], call))).toContain(
      "no domain at all",
    );
  });
});

describe("writing", () => {
  fake.addDomain("write.test");

  it("digitalocean sends a relative name, also at the domain itself, and keeps the id", async () => {
    const mine = { ...challenge("write.test"), recordName: "write.test" };
    const solver = await open({ ttl: 60 });
    const receipt = await solver.present(mine, call);
    expect(fake.requests.at(-1)).toMatchObject({
      path: "/v2/domains/write.test/records",
      body: { type: "TXT", name: "@", data: mine.recordValue, ttl: 60 },
    });
    expect(fake.records("write.test").map(({ id }) => String(id))).toEqual([receipt.recordId]);
    await solver.cleanup(mine, receipt, call);
  });

  it("digitalocean writes and removes 20 names with 61 requests at most", async () => {
    const solver = await open();
    const from = fake.requests.length;
    const all = Array.from({ length: 20 }, (_, index) => challenge(`n${index}.write.test`));
    const receipts = await Promise.all(all.map((each) => solver.present(each, call)));
    for (const each of all) expect(fake.values(each.recordName)).toEqual([each.recordValue]);
    await Promise.all(all.map((each, index) => solver.cleanup(each, receipts[index], call)));
    for (const each of all) expect(fake.values(each.recordName)).toEqual([]);
    expect(since(from).length).toBeLessThanOrEqual(61);
  });

  it("digitalocean finds its value on any page, with or without quotes, and keeps the others", async () => {
    const mine = challenge("many.write.test");
    const name = "_acme-challenge.many";
    for (const data of ["a", "b", "c", `"${mine.recordValue}"`])
      fake.plant("write.test", { type: "TXT", name, data, ttl: 30 });
    fake.pageSize = 2;
    const solver = await open();
    await solver.cleanup(mine, undefined, call);
    expect(fake.values(mine.recordName)).toEqual(["a", "b", "c"]);
  });

  it("digitalocean creates no second record when the answer got lost", async () => {
    const lost = challenge("lost.write.test");
    fake.faults.add({ action: "POST records", kind: "drop after" });
    const receipt = await (await open()).present(lost, call);
    expect(fake.records(lost.recordName).map(({ id }) => String(id))).toEqual([receipt.recordId]);
  });

  it("digitalocean reports when the hourly limit is reset", async () => {
    const reset = Math.floor(Date.now() / 1_000) + 1_800;
    const headers = { "ratelimit-reset": String(reset) };
    const kind = refusal(429, "too_many_requests", "API rate limit exceeded.", headers);
    fake.faults.add({ action: "POST records", kind });
    const blocked = await failure((await open()).present(challenge("hour.write.test"), call));
    expect(Math.round(Number(blocked.retryAt) / 60_000)).toBe(Math.round(reset / 60));
  });
});
