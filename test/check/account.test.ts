import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { hashedAccount, persistDemand, persistValue } from "../../src/acme/account-records.ts";
import type { Ca, Directory } from "../../src/acme/acme.ts";
import { createAccountKey, thumbprint } from "../../src/acme/keys.ts";
import { refuseUnseenRecords, warnOfRecords } from "../../src/check/account.ts";
import type { Dns } from "../../src/dns/dns.ts";
import type { ResourceRecord } from "../../src/dns/message.ts";
import {
  heard,
  lookOf,
  requestFor,
  settingOf,
  temporaryStore,
  toolsOf,
  unexpected,
} from "../issue/world.ts";

const server = "https://ca.example/directory";
const url = "https://ca.example/account/1";
const directoryOf = (accountHashPrefix?: string): Directory => ({
  url: server,
  newNonce: "https://ca.example/nonce",
  newAccount: "https://ca.example/account",
  newOrder: "https://ca.example/order",
  meta: {
    caaIdentities: ["ca.example"],
    externalAccountRequired: false,
    profiles: {},
    accountHashPrefix,
  },
});
const hashing = directoryOf("https://ca.example/hash/");

/** An account, and one certificate that is proven by a standing record. */
async function world(texts: readonly string[], directory = hashing, caa: readonly string[] = []) {
  const store = await temporaryStore();
  const key = await createAccountKey();
  const id = thumbprint(key);
  const created = await store.accounts.create({ id, directory: server, key, contact: [] });
  const account = await store.accounts.update(created, { url, status: "valid" });
  const solvers = [settingOf("dns-persist")];
  await store.certificates.saveRequest(requestFor(["example.com"], { solvers }));
  const record = (type: string, value: string): ResourceRecord => ({
    name: "example.com",
    type,
    ttl: 60,
    value,
  });
  const dns = unexpected<Dns>("dns", {
    lookForTxt: async (_, wanted) => {
      const isGood = typeof wanted === "function" && texts.some(wanted);
      return lookOf({ state: isGood ? "shows" : "missing", values: texts });
    },
    resolve: async ({ name, type }) => ({
      rcode: "NOERROR",
      authoritative: true,
      authorities: [],
      truncated: false,
      authentic: false,
      negativeTtl: undefined,
      answers:
        type === "TXT"
          ? texts.map((text) => record("TXT", text))
          : name === "example.com"
            ? caa.map((text) => record("CAA", text))
            : [],
    }),
  });
  const ca = unexpected<Ca>("ca", { flags: "--server CA", directory: async () => directory });
  return { account, tools: await toolsOf({ store, ca, dns: () => dns }) };
}

const valueFor = (key: string) => {
  const identifier = { type: "dns", value: "example.com" } as const;
  const holder = { url, thumbprint: thumbprint(key) };
  const demand = persistDemand({ identifier, wildcard: false }, holder, hashing);
  return persistValue(demand, { wildcard: false });
};

describe("a new account key where records contain the key (draft 02)", () => {
  it("is refused until the records for it are seen", async () => {
    const next = await createAccountKey();
    const { account, tools } = await world([]);
    await expect(refuseUnseenRecords(account, undefined, tools)).rejects.toMatchObject({
      hint: expect.stringContaining(
        "acmectl account persist --server CA -d example.com --new-key FILE",
      ) as string,
    });
    const old = await world([valueFor(account.key)]);
    await expect(refuseUnseenRecords(old.account, next, old.tools)).rejects.toThrow(
      "do not show the records for the new key at _validation-persist.example.com",
    );
    const both = await world([valueFor(account.key), valueFor(next)]);
    await expect(refuseUnseenRecords(both.account, next, both.tools)).resolves.toBeUndefined();
  });

  it("is not refused by a CA whose records name the account alone (drafts 00 and 01)", async () => {
    const { account, tools } = await world([], directoryOf());
    await expect(refuseUnseenRecords(account, undefined, tools)).resolves.toBeUndefined();
  });
});

describe("before another account is used", () => {
  it("the DNS records that name the old one are shown", async () => {
    const { tools } = await world([`ca.example; accounturi=${url}`], directoryOf(), [
      `0 issue "ca.example; accounturi=${url}"`,
    ]);
    await warnOfRecords({ server }, tools);
    expect(heard(tools, "warn")).toEqual([
      expect.stringMatching(
        /name the account https:\/\/ca\.example\/account\/1; .*: TXT at _validation-persist\.example\.com, CAA at example\.com$/,
      ),
    ]);
  });

  it.each([
    ["the name", "example.com"],
    ["any name (*)", "*"],
  ])("a record with the hash over %s is shown", async (_, domain) => {
    const texts: string[] = [];
    const { account, tools } = await world(texts);
    const hash = hashedAccount(domain, { url, thumbprint: thumbprint(account.key) });
    texts.push(`ca.example; accounturi=https://ca.example/hash/${hash}; policy=wildcard`);
    await warnOfRecords({ server }, tools);
    expect(heard(tools, "warn")).toEqual([
      expect.stringMatching(/: TXT at _validation-persist\.example\.com$/),
    ]);
  });

  it("the records of a certificate whose second CA has the account are shown", async () => {
    const { tools } = await world([`ca.example; accounturi=${url}`]);
    const { issuer, ...request } = requestFor(["example.com"]);
    const first = { ...issuer, server: "https://first.example/directory" };
    const issuers = [first, issuer];
    await tools.store.certificates.saveRequest({ ...request, issuer: first, issuers });
    await warnOfRecords({ server }, tools);
    expect(heard(tools, "warn")).toHaveLength(1);
  });

  it("nothing is shown if no record names it", async () => {
    const { tools } = await world(["ca.example; accounturi=https://ca.example/account/2"]);
    await warnOfRecords({ server }, tools);
    expect(heard(tools, "warn")).toEqual([]);
  });
});

describe("check of a CA that does not answer", () => {
  const down = "https://127.0.0.1:1/directory";

  it("says that the records of dns-persist-01 were not looked at", async () => {
    await using issuing = await startIssuing();
    const asked = ["-d", "shop.test", "--challenge", "dns-persist-01", "--dns-cname", "none"];
    const words = ["check", ...asked, "--server", down];
    const { code, stdout } = await issuing.run(words);
    expect([code, stdout]).toEqual([
      11,
      expect.stringContaining("persist: skipped (the CA did not answer)"),
    ]);
  });

  it("warns only, if the certificate has another CA", async () => {
    await using issuing = await startIssuing();
    const config = join(issuing.state, "..", "config.yaml");
    const bundle = issuing.words[3];
    await writeFile(
      config,
      `issuers:
  down: { server: "${down}", agreeTos: true }
  lab: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${bundle}" }
solvers: { alone: { use: standalone, port: ${issuing.httpPort} } }
certificates:
  shop: { domains: [127.0.0.1], issuers: [down, lab], solver: alone }
`,
    );
    const { stdout } = await issuing.run(["check", "shop", "--json", "--config", config]);
    const { certificates } = JSON.parse(stdout) as {
      certificates: { ca: string; checks: { check: string; outcome: string }[] }[];
    };
    const ofCa = certificates.map(({ checks }) => checks.find(({ check }) => check === "ca"));
    expect(ofCa).toMatchObject([{ outcome: "warning" }, { outcome: "good" }]);
  });
});

it("check does not ask the embedded CA for an account that it has forgotten", async () => {
  await using issuing = await startIssuing();
  const port = String(issuing.httpPort);
  const words = ["-d", "shop.test", "--server", "local", "--standalone", "--standalone-port", port];
  expect((await issuing.run(["issue", ...words])).code).toBe(0);
  const checked = await issuing.run(["check", ...words]);
  expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining("ca: nothing found")]);
});
