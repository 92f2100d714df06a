import { describe, expect, it } from "vitest";
import { persistDemand, persistValue } from "../../src/acme/account-records.ts";
import type { Ca } from "../../src/acme/acme.ts";
import { createAccountKey, thumbprint } from "../../src/acme/keys.ts";
import { embeddedCa } from "../../src/acme/presets.ts";
import { parseIdentifiers } from "../../src/acme/identifiers.ts";
import type { Dns } from "../../src/dns/dns.ts";
import { checkStanding, lookForStanding } from "../../src/issue/proof/standing.ts";
import { recordFaults } from "../../src/status/standing.ts";
import type { ChallengeOf } from "../../src/plugin.ts";
import { testClock } from "../support/clock.ts";
import {
  heard,
  lookOf,
  pendingBy,
  requestFor,
  setOf,
  solverOf,
  temporaryStore,
  toolsOf,
  unexpected,
} from "./world.ts";

const url = "https://ca.example/account/1";
const directory = {
  url: "https://ca.example/directory",
  newNonce: "https://ca.example/nonce",
  newAccount: "https://ca.example/account",
  newOrder: "https://ca.example/order",
  meta: { caaIdentities: ["ca.example"], externalAccountRequired: false, profiles: {} },
};
const [identifier] = parseIdentifiers(["example.com"]);
if (identifier === undefined) throw new Error("no identifier");
const holder = { url, thumbprint: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" };
const demand = persistDemand({ identifier, wildcard: false }, holder, directory);
const day = 86_400_000;

/** Name servers that show these texts. */
function showing(...values: readonly string[]): Dns {
  return unexpected<Dns>("dns", {
    lookForTxt: async (_, wanted) => {
      const isGood = typeof wanted === "string" ? values.includes(wanted) : values.some(wanted);
      return lookOf({ state: isGood ? "shows" : "missing", values });
    },
  });
}

async function check(dns: Dns, flags = "--server https://ca.example/directory") {
  const tools = await toolsOf({
    dns: () => dns,
    ca: unexpected<Ca>("ca", { flags }),
  });
  const challenge: ChallengeOf<"dns-persist-01"> = {
    ...demand,
    type: "dns-persist-01",
    recordName: demand.validationName,
    token: "",
    keyAuthorization: "",
  };
  const pending = pendingBy(solverOf("standing", { types: ["dns-persist-01"] }), challenge);
  const seen = checkStanding(pending, challenge, tools);
  return { tools, seen };
}

describe("before the CA is asked, a standing record", () => {
  it("is missing if the name servers have none for this account, and the command that prints it is shown", async () => {
    const { seen } = await check(showing("ca.example; accounturi=https://ca.example/account/2"));
    await expect(seen).rejects.toMatchObject({
      message: expect.stringContaining(
        "one is for the account https://ca.example/account/2",
      ) as string,
      hint: expect.stringContaining(
        "acmectl account persist --server https://ca.example/directory -d example.com",
      ) as string,
    });
  });

  it("cannot name an account of the embedded CA, so that the hint leads to another rehearsal", async () => {
    const { seen } = await check(showing(), `--server ${embeddedCa}`);
    await expect(seen).rejects.toMatchObject({
      hint: expect.stringContaining("rehearse with --dry-run=authorizations") as string,
    });
  });

  it("is warned about 30 days before persistUntil, and not before", async () => {
    const now = testClock().now().getTime();
    for (const [days, count] of [
      [29, 1],
      [31, 0],
    ] as const) {
      const until = new Date(now + days * day);
      const checked = await check(showing(persistValue(demand, { wildcard: false, until })));
      await expect(checked.seen).resolves.toBeUndefined();
      expect(heard(checked.tools, "warn")).toHaveLength(count);
    }
  });

  it("is replaced by one for as much and with an end, if it had these", async () => {
    const until = new Date(testClock().now().getTime() + 9 * day);
    const checked = await check(showing(persistValue(demand, { wildcard: true, until })));
    await checked.seen;
    expect(heard(checked.tools, "warn")).toEqual([
      expect.stringMatching(/ -d example\.com --wildcard --until 365d$/),
    ]);
    const ended = persistValue(demand, { wildcard: false, until: new Date(0) });
    const { seen } = await check(showing(ended));
    await expect(seen).rejects.toMatchObject({
      hint: expect.stringContaining("-d example.com --until 365d`") as string,
    });
  });

  it("that could not be looked for is left to the CA", async () => {
    const silent = unexpected<Dns>("dns", {
      lookForTxt: async () => lookOf({ state: "silent", outcome: "timeout" }),
    });
    const { seen } = await check(silent);
    await expect(seen).resolves.toMatchObject({
      saw: expect.stringContaining("timeout") as string,
    });
  });
});

it("the end of a record is that of the server where it ends first", async () => {
  const until = (at: string) => persistValue(demand, { wildcard: false, until: new Date(at) });
  const answers = ["2028-01-01", "2027-06-01"].map((at) => lookOf({ values: [until(at)] }).answers);
  const dns = {
    lookForTxt: async () => ({ verdict: "everywhere", answers: answers.flat() }) as const,
  };
  const now = new Date("2027-01-01");
  const signal = new AbortController().signal;
  const look = await lookForStanding("_validation-persist.example.com", demand, dns, now, signal);
  expect(look.until).toEqual(new Date("2027-06-01"));
});

describe("status --check", () => {
  async function faults(names: readonly string[], texts: (own: string) => readonly string[]) {
    const store = await temporaryStore();
    const key = await createAccountKey();
    const created = await store.accounts.create({
      id: thumbprint(key),
      directory: "https://ca.example/directory",
      key,
      contact: [],
    });
    await store.accounts.update(created, { url, status: "valid" });
    const own = { url, thumbprint: thumbprint(key) };
    const hashing = {
      ...directory,
      meta: { ...directory.meta, accountHashPrefix: "https://ca.example/hash/" },
    };
    const hashed = persistDemand(demand, own, hashing);
    const standing = solverOf("dns-persist", { types: ["dns-persist-01"] });
    const request = requestFor(names, { solvers: [standing.setting] });
    const tools = await toolsOf({
      store,
      solvers: setOf(standing),
      ca: unexpected<Ca>("ca", { flags: "--server https://ca.example/directory" }),
      dns: () => showing(...texts(hashed.accountUris[0] ?? "")),
    });
    const at = (now: string) => recordFaults(request, new Date(now), tools);
    return at;
  }

  it("finds a record that ends within 30 days on the day of the check, without asking the CA", async () => {
    const until = Date.parse("2027-12-31") / 1000;
    const at = await faults(["example.com"], () => [
      `ca.example; accounturi=${url}; persistUntil=${until}`,
    ]);
    expect(await at("2027-11-01")).toEqual([]);
    expect(await at("2027-12-15")).toEqual([
      expect.stringMatching(
        /_validation-persist\.example\.com ends at 2027-12-31.* Print a new one with `acmectl account persist .*-d example\.com --until 365d`\.$/,
      ),
    ]);
    expect(await at("2028-01-01")).toEqual([expect.stringContaining("one ended at 2027-12-31")]);
  });

  it("finds a record of another account, and one that does not cover a wildcard", async () => {
    const other = await faults(["example.com"], () => [
      "ca.example; accounturi=https://ca.example/2",
    ]);
    expect(await other("2027-01-01")).toEqual([expect.stringContaining("has no record")]);
    const narrow = await faults(["*.example.com"], () => [`ca.example; accounturi=${url}`]);
    expect(await narrow("2027-01-01")).toEqual([expect.stringContaining("policy=wildcard")]);
  });

  it("knows the account by its hash", async () => {
    const at = await faults(["example.com"], (hashed) => [`any.example; accounturi=${hashed}`]);
    expect(await at("2027-01-01")).toEqual([]);
  });
});
