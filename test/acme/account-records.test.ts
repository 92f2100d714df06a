import { describe, expect, it } from "vitest";
import {
  accountValidationName,
  hashedAccount,
  judgePersist,
  persistDemand,
  persistValue,
} from "../../src/acme/account-records.ts";
import type { AcmeChallenge, Directory } from "../../src/acme/acme.ts";

const holder = {
  url: "https://ca.example/acct/123",
  thumbprint: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
};
const name = {
  identifier: { type: "dns", value: "example.com" },
  wildcard: false,
} as const;
const now = new Date("2027-01-01T00:00:00Z");

function directory(meta: Partial<Directory["meta"]> = {}): Directory {
  return {
    url: "https://ca.example/directory",
    newNonce: "https://ca.example/nonce",
    newAccount: "https://ca.example/account",
    newOrder: "https://ca.example/order",
    meta: { caaIdentities: [], externalAccountRequired: false, profiles: {}, ...meta },
  };
}

const early = directory({ caaIdentities: ["ca.example"] });
const draft02 = directory({
  caaIdentities: ["authority.example", "ca.example"],
  issuerDomainNames: ["authority.example"],
  accountHashPrefix: "https://ca.example/account-hash/",
});
const offered = (more: Partial<AcmeChallenge>): AcmeChallenge => ({
  url: "https://ca.example/challenge/1",
  type: "dns-persist-01",
  status: "pending",
  ...more,
});

describe("a record for dns-persist-01", () => {
  it("names the account by its URL where the CA announces no hash (drafts 00 and 01)", () => {
    const demand = persistDemand(name, holder, early);
    expect(demand.validationName).toBe("_validation-persist.example.com");
    expect(persistValue(demand, { wildcard: false })).toBe(
      "ca.example; accounturi=https://ca.example/acct/123",
    );
    const until = new Date("2027-12-31T00:00:00.500Z");
    expect(persistValue(demand, { wildcard: true, until })).toBe(
      "ca.example; accounturi=https://ca.example/acct/123; policy=wildcard; persistUntil=1830211200",
    );
  });

  it("names the account by the hash of draft 02 §10.2 where the CA announces a prefix", () => {
    const demand = persistDemand(name, holder, draft02);
    expect(persistValue(demand, { wildcard: false })).toBe(
      "authority.example; accounturi=https://ca.example/account-hash/sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw",
    );
    expect(hashedAccount("*", holder)).toBe("sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug");
  });

  it("uses the names of the challenge before those of the directory", () => {
    const demand = persistDemand(
      name,
      holder,
      early,
      offered({ issuerDomainNames: ["b.example"] }),
    );
    expect(demand.issuers).toEqual(["b.example"]);
  });

  it("is refused if the challenge names another account", () => {
    const other = offered({ accountUri: "https://ca.example/acct/666" });
    expect(() => persistDemand(name, holder, early, other)).toThrow(
      "is for the account https://ca.example/acct/666, and the account in use is https://ca.example/acct/123",
    );
    const own = offered({ accountUri: holder.url, issuerDomainNames: ["ca.example"] });
    expect(persistDemand(name, holder, early, own).accountUris).toEqual([holder.url]);
  });

  it("is refused if the CA gives no name, too many, or leaves out one that it announced", () => {
    expect(() => persistDemand(name, holder, directory())).toThrow("by which name it goes");
    const eleven = Array.from({ length: 11 }, (_, index) => `ca${index}.example`);
    expect(() =>
      persistDemand(name, holder, early, offered({ issuerDomainNames: eleven })),
    ).toThrow("more than ten names");
    expect(() =>
      persistDemand(name, holder, draft02, offered({ issuerDomainNames: ["ca.example"] })),
    ).toThrow("not all names of the CA's directory");
  });
});

describe("records that are found", () => {
  const demand = persistDemand(name, holder, early);
  const uri = "accounturi=https://ca.example/acct/123";

  it.each([
    ["as written", `ca.example; ${uri}`],
    [
      "with blanks, other case and unknown parameters",
      `CA.example ;AccountURI = ${holder.url}; x=1`,
    ],
    ["for more than is needed", `ca.example; ${uri}; policy=WildCard`],
    ["before its end", `ca.example; ${uri}; persistUntil=1830211200`],
  ])("are good %s", (_, text) => {
    expect(judgePersist([text], demand, now).good).toBe(true);
  });

  it.each([
    ["for another CA", `other.example; ${uri}`, "one is for the CA other.example"],
    ["for another account", "ca.example; accounturi=https://ca.example/acct/1", "for the account"],
    ["after its end", `ca.example; ${uri}; persistUntil=1700000000`, "one ended at 2023-11-14"],
    ["with a parameter twice", `ca.example; ${uri}; ${uri}`, "cannot be read"],
    ["with an unreadable end", `ca.example; ${uri}; persistUntil=soon`, "cannot be read"],
    ["without an account", "ca.example; policy=wildcard", "does not name a CA and an account"],
    ["ending in a semicolon", `ca.example; ${uri};`, "cannot be read"],
  ])("are not good %s", (_, text, why) => {
    const verdict = judgePersist([text], demand, now);
    expect(verdict).toMatchObject({ good: false, why: expect.stringContaining(why) as string });
  });

  it("need policy=wildcard for a wildcard", () => {
    const wild = { ...demand, wildcard: true };
    expect(judgePersist([`ca.example; ${uri}`], wild, now).why).toBe(
      "one is without policy=wildcard",
    );
    expect(judgePersist([`ca.example; ${uri}; policy=wildcard`], wild, now).good).toBe(true);
  });

  it("last as long as the one that lasts longest", () => {
    const until = (seconds: number) => `ca.example; ${uri}; persistUntil=${seconds}`;
    const two = [until(1830211200), until(1830211300)];
    expect(judgePersist(two, demand, now).until).toEqual(new Date(1830211300_000));
    expect(judgePersist([...two, `ca.example; ${uri}`], demand, now).until).toBeUndefined();
  });
});

it("puts the label of the account before _acme-challenge for dns-account-01 (draft 03)", () => {
  expect(accountValidationName("example.org", "https://example.com/acme/acct/ExampleAccount")).toBe(
    "_ujmmovf2vn55tgye._acme-challenge.example.org",
  );
});
