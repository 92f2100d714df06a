import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OptionsOf, Target } from "acmectl/plugin";
import { Problem } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import {
  digitalOceanError,
  digitalOceanToken,
  startDigitalOceanFake,
} from "../../test/support/fakes/digitalocean.ts";
import { optionsFrom } from "../../test/support/options.ts";
import digitalocean from "./index.ts";

type Options = OptionsOf<typeof digitalocean.options>;

const fake = await startDigitalOceanFake();
const call = { signal: new AbortController().signal };

afterAll(() => fake.close());
afterEach(() => {
  fake.faults.clear();
  fake.pageSize = 200;
});

function options(more: Partial<Options> = {}): Options {
  return { token: digitalOceanToken, domain: undefined, ttl: 30, apiUrl: fake.url, ...more };
}

async function open(more: Partial<Options> = {}, context = {}) {
  const solver = await digitalocean.create(options(more), solverContext(context));
  const preflight = (targets: readonly Target[]) =>
    solver.preflight?.(targets, call) ?? Promise.reject(new Error("there is no preflight"));
  return { ...solver, preflight };
}

const challenge = (name: string) => challengeFor("dns-01", name);
const target = (name: string) => ({
  identifier: { type: "dns", value: name } as const,
  wildcard: false,
  validationName: `_acme-challenge.${name}`,
  recordName: `_acme-challenge.${name}`,
});
const since = (from: number) => fake.requests.slice(from).map(({ action }) => action);
const says = (status: number, id: string, message: string, headers = {}) => ({
  status,
  body: digitalOceanError(id, message),
  headers: { "content-type": "application/json", ...headers },
});

async function failure(work: Promise<unknown>): Promise<Problem> {
  const error: unknown = await work.then(
    () => expect.unreachable("it did not fail"),
    (reason: unknown) => reason,
  );
  if (!Problem.is(error)) throw error;
  const shown = JSON.stringify([error, error.message, error.hint, error.stack, error.cause]);
  expect(shown).not.toContain(digitalOceanToken);
  return error;
}

async function problem(work: Promise<unknown>) {
  const { message, hint } = await failure(work);
  return `${message}\n${hint}`;
}

describe("conformance", () => {
  fake.addDomain("conform.test");
  let planted = 0;
  const cases = solverConformance({
    plugin: digitalocean,
    options: options(),
    names: ["one.conform.test", "two.conform.test"],
    visible: async ({ recordName }) => fake.values(recordName),
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
        when: "the token is half",
        options: options({ token: digitalOceanToken.slice(0, 30) }),
        says: /not copied whole/,
      },
      {
        when: "the token holds a line break",
        options: options({ token: `${digitalOceanToken}\nx` }),
        says: /line break/,
      },
      { when: "the token is empty", options: options({ token: "" }), says: /holds nothing/ },
      {
        when: "the configured domain does not hold the name",
        options: options({ domain: "else.test" }),
        says: /not in the configured domain else\.test.*select\.zones/s,
      },
    ],
  });
  for (const one of cases) it(one.name, one.run);
});

describe("credentials", () => {
  it("come from the variables that users have already, or files that these name", async () => {
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

  it("of two variables acmectl's own counts, then the first of the table", async () => {
    const env = { DO_AUTH_TOKEN: "second", DO_API_KEY: "third" };
    expect((await optionsFrom(digitalocean, "digitalocean", env)).token).toBe("second");
    const own = { ...env, ACMECTL_DIGITALOCEAN_TOKEN: "first" };
    expect((await optionsFrom(digitalocean, "digitalocean", own)).token).toBe("first");
  });

  it("that are absent are asked for by all their names", async () => {
    expect(await problem(optionsFrom(digitalocean, "digitalocean", {}))).toMatch(
      /domain:read and domain:update.*ACMECTL_DIGITALOCEAN_TOKEN, or DO_AUTH_TOKEN/s,
    );
  });

  it("need domain:read and domain:update, or create and delete in its place", async () => {
    fake.addDomain("scopes.test");
    const mine = challenge("scopes.test");
    fake.addToken("finegrained", ["read", "create", "delete"]);
    const solver = await open({ token: "finegrained" });
    await solver.cleanup(mine, await solver.present(mine, call), call);
    fake.addToken("readonly", ["read"]);
    const reader = await open({ token: "readonly" });
    await reader.preflight([target("scopes.test")]);
    expect(await problem(reader.present(mine, call))).toMatch(
      /_acme-challenge\.scopes\.test in domain scopes\.test.*not authorized.*domain:create/s,
    );
    fake.addToken("blind", ["update"]);
    const blind = await open({ token: "blind" });
    expect((await failure(blind.preflight([target("scopes.test")]))).document.title).toBe(
      "The token lacks a scope",
    );
  });
});

describe("choosing the domain", () => {
  it("takes the longest one on a label boundary, asking once for all names", async () => {
    for (const name of ["pick.test", "child.pick.test", "ick.test"]) fake.addDomain(name);
    const solver = await open();
    const from = fake.requests.length;
    const found: string[] = [];
    for (const name of [
      "pick.test",
      "child.pick.test",
      "a.b.child.pick.test",
      "grandchild.pick.test",
    ])
      found.push((await solver.present(challenge(name), call)).domain);
    expect(found).toEqual(["pick.test", "child.pick.test", "child.pick.test", "pick.test"]);
    expect(since(from).filter((action) => action === "GET domains")).toHaveLength(1);
    expect(fake.requests.slice(from).find(({ action }) => action === "GET domains")?.query).toEqual(
      {
        page: "1",
        per_page: "200",
      },
    );
  });

  it("finds it on a later page, though the answer's next address leads elsewhere", async () => {
    for (const name of ["a.pages.test", "b.pages.test", "c.pages.test"]) fake.addDomain(name);
    fake.pageSize = 2;
    const solver = await open();
    expect((await solver.present(challenge("c.pages.test"), call)).domain).toBe("c.pages.test");
    const elsewhere = {
      domains: [{ name: "other.example" }],
      links: { pages: { next: "http://127.0.0.1:9/v2/domains?page=2" } },
    };
    fake.faults.add({
      action: "GET domains",
      kind: { status: 200, body: JSON.stringify(elsewhere) },
    });
    await (await open()).preflight([target("c.pages.test")]);
  });

  it("asks for no domain when one is configured, with or without its dot", async () => {
    fake.addDomain("fixed.test");
    const from = fake.requests.length;
    const solver = await open({ domain: "Fixed.test." });
    await solver.preflight([target("fixed.test"), target("www.fixed.test")]);
    expect(since(from)).toEqual(["GET records"]);
  });

  it("lists the domains that the token sees when none holds the name", async () => {
    fake.addDomain("seen.test");
    fake.addToken("team", ["read", "update"], ["seen.test"]);
    const solver = await open({ token: "team" });
    expect(await problem(solver.preflight([target("www.unseen.example")]))).toMatch(
      /holds _acme-challenge\.www\.unseen\.example\. This token sees seen\.test\..*DO_AUTH_TOKEN/s,
    );
    fake.addToken("nobody", ["read", "update"], []);
    const blind = await open({ token: "nobody" });
    expect(await problem(blind.preflight([target("seen.test")]))).toContain("no domain at all");
  });
});

const limited = (headers: object) => ({
  action: "POST records",
  kind: says(429, "too_many_requests", "API rate limit exceeded.", headers),
});

describe("writing", () => {
  fake.addDomain("write.test");

  it("sends a relative name, also at the domain itself, and keeps the id", async () => {
    const mine = { ...challenge("write.test"), recordName: "write.test" };
    const solver = await open({ ttl: 60 });
    const receipt = await solver.present(mine, call);
    expect(fake.requests.at(-1)).toMatchObject({
      path: "/v2/domains/write.test/records",
      body: { type: "TXT", name: "@", data: mine.recordValue, ttl: 60 },
    });
    expect(fake.records("write.test").map(({ id }) => id)).toEqual([receipt.recordId]);
    await solver.cleanup(mine, receipt, call);
  });

  it("writes 20 names well within the limit of a minute", async () => {
    const solver = await open();
    const from = fake.requests.length;
    const all = Array.from({ length: 20 }, (_, index) => challenge(`n${index}.write.test`));
    const receipts = await Promise.all(all.map((each) => solver.present(each, call)));
    for (const each of all) expect(fake.values(each.recordName)).toEqual([each.recordValue]);
    await Promise.all(all.map((each, index) => solver.cleanup(each, receipts[index], call)));
    for (const each of all) expect(fake.values(each.recordName)).toEqual([]);
    expect(since(from).length).toBeLessThanOrEqual(61);
  });

  it("finds its value on whatever page, with quotes or without, and leaves the others", async () => {
    const mine = challenge("many.write.test");
    const name = "_acme-challenge.many";
    for (const data of ["a", "b", "c", `"${mine.recordValue}"`])
      fake.plant("write.test", { type: "TXT", name, data, ttl: 30 });
    fake.pageSize = 2;
    const solver = await open();
    await solver.cleanup(mine, undefined, call);
    expect(fake.values(mine.recordName)).toEqual(["a", "b", "c"]);
  });

  it("makes no double when the answer got lost after the work", async () => {
    const lost = challenge("lost.write.test");
    const solver = await open();
    fake.faults.add({ action: "POST records", kind: "drop after" });
    const receipt = await solver.present(lost, call);
    expect(fake.records(lost.recordName).map(({ id }) => id)).toEqual([receipt.recordId]);
    fake.faults.add({ action: "DELETE records", kind: "drop after" });
    await solver.cleanup(lost, receipt, call);
    expect(fake.records(lost.recordName)).toEqual([]);
  });

  it("has nothing to clean up in a domain that is gone, and says so", async () => {
    fake.addDomain("gone.test");
    const mine = challenge("gone.test");
    const log = recordingLog();
    const solver = await open({}, { log });
    const receipt = await solver.present(mine, call);
    fake.removeDomain("gone.test");
    await solver.cleanup(mine, receipt, call);
    await solver.cleanup(mine, undefined, call);
    const next = await open({}, { log });
    await next.cleanup(mine, undefined, call);
    expect(
      log.entries.filter(({ level }) => level === "warn").map(({ message }) => message),
    ).toEqual([expect.stringContaining("nothing to clean up: No domain at DigitalOcean holds")]);
  });

  it("comes back when DigitalOcean says so, and leaves long waits to the next run", async () => {
    const busy = challenge("busy.write.test");
    const solver = await open();
    fake.faults.add({ ...limited({ "retry-after": "0" }), times: 2 });
    await solver.present(busy, call);
    expect(fake.values(busy.recordName)).toEqual([busy.recordValue]);
    fake.faults.add({ ...limited({ "retry-after": "0" }), times: 5 });
    const exhausted = await failure(solver.present(challenge("more.write.test"), call));
    expect(exhausted.message).toMatch(/after 5 attempts in \d+ s/);
    const reset = Math.floor(Date.now() / 1_000) + 1_800;
    fake.faults.add(limited({ "ratelimit-reset": String(reset) }));
    const from = fake.requests.length;
    const blocked = await failure(solver.present(challenge("more.write.test"), call));
    expect(since(from)).toEqual(["GET records", "POST records"]);
    expect(blocked.hint).toMatch(/250 requests a minute and 5000 an hour/);
    expect(Math.round(Number(blocked.retryAt) / 60_000)).toBe(Math.round(reset / 60));
  });

  it("stops at once when aborted, in a request as in a wait", async () => {
    const solver = await open();
    const wait = says(429, "too_many_requests", "Slow down.", { "retry-after": "50" });
    for (const kind of ["hang", wait] as const) {
      fake.faults.add({ action: "POST records", kind });
      const controller = new AbortController();
      const from = fake.requests.length;
      const waiting = solver.present(challenge("abort.write.test"), { signal: controller.signal });
      await expect.poll(() => since(from), { interval: 5 }).toContain("POST records");
      controller.abort(new Error("Ctrl-C"));
      await expect(waiting).rejects.toThrow("Ctrl-C");
    }
  });
});

describe("failures say which domain, which name, and what to do", () => {
  fake.addDomain("fail.test");
  const rows = [
    ["a token that was revoked", 401, "unauthorized", "Unable to authenticate you.", /revoked/],
    ["a missing scope", 403, "forbidden", "You are not authorized", /domain:update/],
    ["a domain that is gone", 404, "not_found", "could not be found", /domain was removed/],
    ["a CNAME in the way", 422, "unprocessable_entity", "CNAME records cannot share", /follow it/],
    ["an order of the day", 451, "teapot", "No more today", /status\.digitalocean\.com/],
  ] as const;
  it.for(rows)("%s", async ([, status, id, message, hint]) => {
    fake.faults.add({ action: "POST records", kind: says(status, id, message) });
    const said = await problem((await open()).present(challenge("www.fail.test"), call));
    expect(said).toMatch(hint);
    for (const known of [
      "_acme-challenge.www.fail.test in domain fail.test",
      message,
      id,
      "(token)",
    ])
      expect(said).toContain(known);
  });

  it.for(["GET domains", "POST records", "GET records"])(
    "a captive portal that answers %s",
    async (action) => {
      fake.faults.add({ action, kind: "garbage" });
      const error = await failure((await open()).present(challenge("www.fail.test"), call));
      expect(error.is("network")).toBe(true);
      expect(error.hint).toMatch(/captive portal/);
    },
  );

  it("a redirect, after which the token is not sent", async () => {
    const elsewhere = await startDigitalOceanFake();
    const headers = { location: `${elsewhere.url}/v2/domains` };
    fake.faults.add({ action: "GET domains", kind: { status: 307, body: "", headers } });
    const lost = (await open()).present(challenge("www.fail.test"), call);
    expect(await problem(lost)).toMatch(/HTTP 307.*must not redirect/s);
    expect(elsewhere.requests).toEqual([]);
    await elsewhere.close();
  });
});
