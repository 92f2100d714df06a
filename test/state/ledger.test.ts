import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { limitsOf } from "../../src/acme/limits.ts";
import {
  allowancesFor,
  allowanceText,
  pauseIn,
  withEntry,
  withPause,
  type Ledger,
  type LedgerEntry,
} from "../../src/state/ledger.ts";
import { temporaryStore } from "../issue/world.ts";

const hour = 3_600_000;
const day = 24 * hour;
const now = new Date("2027-01-10T12:00:00Z");
const ago = (milliseconds: number) => new Date(now.getTime() - milliseconds).toISOString();
const account = "https://ca.example/acct/1";
const empty: Ledger = { entries: [], pauses: [] };
const names = ["shop.example.com", "www.shop.example.com"];
const many = (count: number, entry: Partial<LedgerEntry>, age = 10_000): Ledger => ({
  pauses: [],
  entries: Array.from({ length: count }, () => ({
    ...{ at: ago(age), event: "certificate" as const, account, names },
    ...entry,
  })),
});
const letsencrypt = limitsOf("https://acme-v02.api.letsencrypt.org/directory", undefined);
const leftOf = async (ledger: Ledger, limit: string, limits = letsencrypt) =>
  (await allowancesFor({ account, names }, ledger, limits, now)).find((one) => one.limit === limit);

describe("what is left of a limit", () => {
  test("all of it at first; nothing is said of limits that are not known", async () => {
    expect(await leftOf(empty, "ordersPerAccount")).toMatchObject({ left: 300, most: 300 });
    const unknown = limitsOf("https://ca.example/directory", undefined);
    expect(await allowancesFor({ account, names }, empty, unknown, now)).toEqual([]);
  });

  test("five certificates for exactly the same names leave none, and one comes back after 34 hours", async () => {
    const set = await leftOf(many(5, { names: names.toReversed() }), "certificatesPerSet");
    expect(set).toMatchObject({ left: 0, of: names.join(", ") });
    const hours = (Number(set?.next) - now.getTime()) / hour;
    expect(hours).toBeGreaterThan(33);
    expect(hours).toBeLessThan(34);
    expect((await leftOf(many(5, {}, 34 * hour), "certificatesPerSet"))?.left).toBe(1);
    expect(set && allowanceText(set)).toBe(
      "all 5 certificates for exactly shop.example.com, www.shop.example.com in 7 days are used up",
    );
  });

  test("another set of names counts for the domain alone, and another account for both", async () => {
    const others = many(3, { names: ["mail.example.com"], account: "https://ca.example/acct/2" });
    expect((await leftOf(others, "certificatesPerSet"))?.left).toBe(5);
    expect(await leftOf(others, "certificatesPerDomain")).toMatchObject({
      left: 47,
      of: "example.com",
    });
    expect((await leftOf(many(9, { event: "order" }), "ordersPerAccount"))?.left).toBe(291);
    const foreign = many(9, { event: "order", account: "https://ca.example/acct/2" });
    expect((await leftOf(foreign, "ordersPerAccount"))?.left).toBe(300);
  });

  test("failed validations count for their name and for an hour", async () => {
    const failures = many(5, { event: "failure", names: ["shop.example.com"] });
    const found = (await allowancesFor({ account, names }, failures, letsencrypt, now)).filter(
      ({ limit }) => limit === "failuresPerName",
    );
    expect(found.map(({ of, left }) => [of, left])).toEqual([
      ["shop.example.com", 0],
      ["www.shop.example.com", 5],
    ]);
    const old = many(5, { event: "failure", names: ["shop.example.com"] }, hour);
    expect((await leftOf(old, "failuresPerName"))?.left).toBe(5);
  });

  test("an order that renews a certificate counts for its set of names alone", async () => {
    const renewals = many(5, { renewal: true });
    expect((await leftOf(renewals, "certificatesPerDomain"))?.left).toBe(50);
    expect((await leftOf(renewals, "certificatesPerSet"))?.left).toBe(0);
    const orders = many(5, { event: "order", renewal: true });
    expect((await leftOf(orders, "ordersPerAccount"))?.left).toBe(300);
  });

  test("failures in a row count until the name is validated, and one less each day", async () => {
    const [name = ""] = names;
    const rowOf = async (ledger: Ledger) =>
      (await allowancesFor({ account, names: [name] }, ledger, letsencrypt, now)).find(
        ({ limit }) => limit === "failuresInARow",
      );
    const failed = many(1152, { event: "failure", names: [name] });
    const row = await rowOf(failed);
    expect(row).toMatchObject({ left: 0, most: 1152, of: name });
    expect(row && allowanceText(row)).toBe(
      "all 1152 failed validations in a row of shop.example.com are used up, and the CA pauses the name",
    );
    const older = await rowOf(many(1152, { event: "failure", names: [name] }, 2 * day));
    expect(older?.left).toBe(2);
    const validated = { at: ago(1000), event: "validation", account, names: [name] } as const;
    expect((await rowOf(withEntry(failed, validated, now)))?.left).toBe(1152);
  });

  test("a limit that the CA has raised takes the place of the preset's", async () => {
    const raised = limitsOf("https://acme-v02.api.letsencrypt.org/directory", {
      ordersPerAccount: "3000",
      certificatesPerDomain: "500/7d",
    });
    expect(await leftOf(empty, "ordersPerAccount", raised)).toMatchObject({
      most: 3000,
      per: 3 * hour,
    });
    expect(await leftOf(empty, "certificatesPerDomain", raised)).toMatchObject({ most: 500 });
  });

  test.each([
    [{ ordersPerDay: "5" }, /^limits: "ordersPerDay" is not a limit/],
    [{ ordersPerAccount: "many" }, /^limits\.ordersPerAccount: "many" is not a number and a time/],
    [{ ordersPerAccount: "5/soon" }, /is not a number and a time/],
  ])("%j means nothing", (granted: Record<string, string>, text) => {
    expect(() => limitsOf("https://ca.example/directory", granted)).toThrow(text);
  });
});

test("certificates below a suffix that many share do not count for each other", async () => {
  const ledger = many(4, { names: ["one.github.io", "shop.one.co.uk"] });
  const asked = ["two.github.io", "www.one.co.uk", "new.one.github.io"];
  const found = await allowancesFor({ account, names: asked }, ledger, letsencrypt, now);
  const domains = found.filter(({ limit }) => limit === "certificatesPerDomain");
  expect(domains.map(({ of, left }) => [of, left])).toEqual([
    ["two.github.io", 50],
    ["one.co.uk", 46],
    ["one.github.io", 46],
  ]);
});

describe("a ledger", () => {
  test("keeps a week", () => {
    const old = { at: ago(8 * day), event: "order", names } as const;
    const young = { at: ago(6 * day), event: "order", names } as const;
    const fresh = { at: ago(0), event: "order", names } as const;
    const ledger = withEntry({ entries: [old, young], pauses: [] }, fresh, now);
    expect(ledger.entries).toEqual([young, fresh]);
  });

  test("keeps failures for a month, since those in a row count", () => {
    const failure = { at: ago(30 * day), event: "failure", names } as const;
    const fresh = { at: ago(0), event: "order", names } as const;
    expect(withEntry({ entries: [failure], pauses: [] }, fresh, now).entries).toHaveLength(2);
  });

  test("knows a pause until it ends, of one account or of all", () => {
    const pause = { until: ago(-hour), account, detail: "Too many orders." };
    const ledger = withPause(empty, pause, now);
    expect(pauseIn(ledger, account, now)).toMatchObject({ detail: "Too many orders." });
    expect(pauseIn(ledger, "https://ca.example/acct/2", now)).toBeUndefined();
    expect(pauseIn(ledger, account, new Date(now.getTime() + hour))).toBeUndefined();
    const all = withPause(empty, { until: ago(-hour), detail: "Maintenance." }, now);
    expect(pauseIn(all, undefined, now)).toMatchObject({ detail: "Maintenance." });
  });

  test("a pause of years was written by a wrong clock", () => {
    const pause = { until: "2040-01-01T00:00:00Z", detail: "" };
    expect(pauseIn(withPause(empty, pause, now), account, now)).toBeUndefined();
  });
});

test("a ledger that was edited by hand is empty where its entries mean nothing", async () => {
  const store = await temporaryStore();
  const directory = "https://ca.example/directory";
  await store.ledger.update(directory, () => ({ entries: [], pauses: [] }));
  const [file = ""] = await readdir(join(store.where, "ledger"));
  const entry = { at: "2027-01-01T00:00:00.000Z", event: "certificate", names: [7] };
  await writeFile(
    join(store.where, "ledger", file),
    JSON.stringify({ entries: [entry], pauses: [] }),
    { mode: 0o600 },
  );
  expect(await store.ledger.read(directory)).toEqual({ entries: [], pauses: [] });
});
