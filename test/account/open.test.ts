import { describe, expect, test } from "vitest";
import { thumbprint } from "../../src/acme/keys.ts";
import { openAccount, reportOtherContact } from "../../src/account/open.ts";
import { issue } from "../../src/issue/issue.ts";
import type { StoredAccount } from "../../src/state/store.ts";
import { heard, problemOf, world, type World } from "../issue/world.ts";

const open = (it: World, tools = it.again()) =>
  openAccount({ server: it.server.directoryUrl, agreeTos: true }, tools);

describe("the account", () => {
  test("an account key is on disk before it is sent to the CA", async () => {
    const it = await world();
    let found: readonly StoredAccount[] = [];
    it.server.faults.add({
      on: "newAccount",
      do: {
        call: async () => {
          found = await it.store.accounts.list();
        },
      },
    });
    const { stored, session } = await open(it);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ id: stored.id, key: stored.key });
    expect(found[0]).not.toHaveProperty("url");
    expect(thumbprint(found[0]?.key ?? "")).toBe(session.thumbprint);
    expect(stored.url).toMatch(/^https:/);
  });

  test("several first runs at once register one account, and later runs use it without asking", async () => {
    const it = await world();
    const opened = await Promise.all(Array.from({ length: 4 }, () => open(it)));
    expect(new Set(opened.map(({ stored }) => stored.url)).size).toBe(1);
    expect(opened.filter(({ created }) => created)).toHaveLength(1);
    expect(it.count("newAccount")).toBe(1);
    await open(it);
    expect(it.count("newAccount")).toBe(1);
    expect(await it.store.accounts.list()).toHaveLength(1);
  });

  test("an account whose registration answer was lost is found by its key", async () => {
    const it = await world();
    const fault = it.server.faults.add({
      on: "newAccount",
      phase: "after",
      times: Infinity,
      do: { destroy: true },
    });
    expect((await problemOf(open(it))).exitCode).toBe(4);
    fault.remove();
    const [before] = await it.store.accounts.list();
    const { stored } = await open(it);
    expect(stored.key).toBe(before?.key);
    expect(await it.store.accounts.list()).toHaveLength(1);
  });

  test("an account that the CA has deactivated is reported, and no other is registered unasked", async () => {
    const it = await world();
    await it.issue(it.requestFor(["one.example.test"]));
    const { session } = await open(it);
    await session.deactivate(it.tools.signal);
    for (const name of ["two.example.test", "one.example.test"]) {
      const problem = await problemOf(
        issue(it.requestFor([name]), { isWanted: () => true }, it.again()),
      );
      expect(problem.exitCode).toBe(5);
      expect(problem.hint).toMatch(/account/);
    }
    expect(it.count("newAccount")).toBe(1);
    expect(await it.store.accounts.list()).toHaveLength(1);
    expect((await it.store.certificates.read("one.example.test"))?.held?.version).toBe(1);
  });

  test("an account that is stored as deactivated is reported before any request", async () => {
    const it = await world();
    const { stored } = await open(it);
    await it.store.accounts.update(stored, { status: "deactivated" });
    const before = it.server.requests.length;
    const problem = await problemOf(open(it));
    expect(problem.message).toMatch(/is deactivated, and no other is stored/);
    expect(problem.hint).toContain("--reregister");
    expect(it.server.requests).toHaveLength(before);
  });

  test("registration requires agreement to the terms of service, and no key is created without it", async () => {
    const it = await world({ termsOfService: "https://ca.example/terms" });
    const issuer = { server: it.server.directoryUrl, agreeTos: false };
    const problem = await problemOf(openAccount(issuer, it.again()));
    expect(problem.message).toContain("https://ca.example/terms");
    expect(await it.store.accounts.list()).toEqual([]);
    await open(it);
    const [account] = await it.store.accounts.list();
    expect(account?.termsOfServiceAgreed).toBe("https://ca.example/terms");
  });

  test("the person at the terminal is asked about the terms, and an account is registered only after a yes", async () => {
    const it = await world({ termsOfService: "https://ca.example/terms" });
    const issuer = { server: it.server.directoryUrl, agreeTos: false };
    const answering = (agrees: boolean) => {
      const asked: string[] = [];
      const askConsent = async (terms: string) => asked.push(terms) > 0 && agrees;
      return { asked, tools: { ...it.again(), askConsent } };
    };
    const no = answering(false);
    expect((await problemOf(openAccount(issuer, no.tools))).hint).toContain("--agree-tos");
    expect(no.asked).toEqual(["https://ca.example/terms"]);
    expect(await it.store.accounts.list()).toEqual([]);
    const yes = answering(true);
    expect((await openAccount(issuer, yes.tools)).created).toBe(true);
    const [account] = await it.store.accounts.list();
    expect(account?.termsOfServiceAgreed).toBe("https://ca.example/terms");
  });

  test("registration requires the external account binding that the CA asks for, and no key is created without it", async () => {
    const hmacKey = Buffer.alloc(32, 7).toString("base64url");
    const it = await world({ eab: { customer: hmacKey } });
    expect((await problemOf(open(it))).hint).toContain("--eab-kid");
    expect(await it.store.accounts.list()).toEqual([]);
    const { created } = await open(it, it.again({ eab: { kid: "customer", hmacKey } }));
    expect(created).toBe(true);
  });

  test.each([
    [["mailto:Ops@example.com"], "Ops@EXAMPLE.com", undefined],
    [["mailto:ops@example.com"], "new@example.com", "has the address ops@example.com"],
    [["mailto:ops@example.com"], "OPS@example.com", "has the address ops@example.com"],
    [[], "new@example.com", "is stored without an address"],
  ])(
    "an account with the addresses %j warns about --email %s: %s",
    async (contact, email, warning) => {
      const it = await world();
      const { stored } = await open(it);
      await it.store.accounts.update(stored, { contact });
      const tools = it.again();
      await reportOtherContact(email, { server: it.server.directoryUrl, agreeTos: true }, tools);
      const warnings = heard(tools, "warn");
      expect(warnings).toHaveLength(warning === undefined ? 0 : 1);
      if (warning !== undefined) {
        expect(warnings[0]).toContain(warning);
        expect(warnings[0]).toMatch(/acmectl account update --server \S+ --email \S+$/);
      }
    },
  );
});
