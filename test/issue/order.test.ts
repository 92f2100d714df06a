import { createPublicKey, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createPrivateKey } from "../../src/acme/keys.ts";
import type { Ca, Directory, NewOrder, Order } from "../../src/acme/acme.ts";
import type { CertificateRequest, VersionMeta } from "../../src/certificate.ts";
import type { OpenAccount } from "../../src/account/open.ts";
import { requestHash } from "../../src/request/drift.ts";
import { cleanAllLeftovers, openJournal } from "../../src/issue/journal.ts";
import { issue } from "../../src/issue/issue.ts";
import { placeOrder, resumeOrder } from "../../src/issue/order.ts";
import { refuseByLimit } from "../../src/issue/preconditions.ts";
import { describeHolder } from "../../src/state/folder/locks/lock-file.ts";
import type { HeldCertificate, PendingOrder, StoredAccount } from "../../src/state/store.ts";
import type { FaultAction, ResourceKind } from "../../src/testing.ts";
import { testClock } from "../support/clock.ts";
import {
  heard,
  order,
  problemOf,
  requestFor,
  session,
  toolsOf,
  unexpected,
  world,
} from "./world.ts";

const name = "example.test";

/** A world in which a run died of this fault, and nothing is wrong any more. */
async function afterFailure(on: ResourceKind, action: FaultAction = { destroy: true }) {
  const it = await world({ authorizationReuse: 0 });
  const request = it.requestFor([name]);
  const fault = it.server.faults.add({ on, times: Infinity, do: action });
  await problemOf(it.issue(request));
  fault.remove();
  const pending = await it.store.journal.read(name);
  if (pending === undefined) throw new Error("nothing is left to resume");
  const before = it.server.requests.length;
  const since = () => it.server.requests.slice(before).map(({ kind }) => kind);
  const again = async (changed: Partial<CertificateRequest> = {}) => {
    const { held, issued } = await it.issue({ ...request, ...changed });
    expect(issued).toBe(true);
    expect(await it.store.journal.names()).toEqual([]);
    const stored = await it.store.certificates.readCertificate(name);
    const key = await it.store.certificates.readPrivateKey(name);
    expect(
      new X509Certificate(stored?.certificate ?? "").publicKey.equals(createPublicKey(key ?? "")),
    ).toBe(true);
    return { held, key };
  };
  return { ...it, pending, since, again, toolsAgain: it.again };
}

const csrsOf = ({ server }: Awaited<ReturnType<typeof afterFailure>>) =>
  server.requests
    .filter(({ kind }) => kind === "finalize")
    .map(({ payload }) => (payload as { csr: string }).csr);

const base64url = (base64 = "") => Buffer.from(base64, "base64").toString("base64url");

describe("the order of a run that died", () => {
  test("a valid order of a killed run is downloaded with the key from the journal", async () => {
    const it = await afterFailure("certificate");
    const { key, held } = await it.again();
    expect(key).toBe(it.pending.privateKey);
    expect(held.meta.orderUrl).toBe(it.pending.orderUrl);
    expect(it.since()).toEqual(["directory", "newNonce", "order", "certificate"]);
    expect(it.calls.filter((call) => call.startsWith("present"))).toHaveLength(1);
  });

  test("a ready order of a killed run is finalized with the same key and CSR", async () => {
    const it = await afterFailure("finalize");
    const { key } = await it.again();
    expect(key).toBe(it.pending.privateKey);
    expect(new Set(csrsOf(it))).toEqual(new Set([base64url(it.pending.csr)]));
    expect(it.since()).not.toContain("newOrder");
    expect(it.since().filter((kind) => kind === "finalize")).toHaveLength(1);
  });

  test("the key of an order is on disk, marked as final, before the CA is asked to finalize", async () => {
    const it = await world();
    let seen: PendingOrder | undefined;
    const look = async () => void (seen = await it.store.journal.read(name));
    it.server.faults.add({ on: "finalize", do: { call: look } });
    await it.issue(it.requestFor([name]));
    const { payload } = it.server.requests.find(({ kind }) => kind === "finalize") ?? {};
    expect(seen).toMatchObject({ finalizing: true, privateKey: expect.any(String) });
    expect(payload).toEqual({ csr: base64url(seen?.csr) });
  });

  test("a processing order of a killed run is polled and not finalized twice", async () => {
    const it = await afterFailure("certificate");
    const processing = (json: object) => ({
      ...json,
      status: "processing",
      certificate: undefined,
    });
    it.server.faults.add({ on: "order", times: 2, do: { mutate: processing } });
    const { key } = await it.again();
    expect(key).toBe(it.pending.privateKey);
    expect(it.since()).toEqual(["directory", "newNonce", "order", "order", "order", "certificate"]);
  });

  test("a pending order of a killed run is proven", async () => {
    const it = await afterFailure("challenge");
    expect(it.pending.presented).toEqual([]);
    const { held } = await it.again();
    expect(held.meta.orderUrl).toBe(it.pending.orderUrl);
    expect(it.since()).not.toContain("newOrder");
    expect(it.calls).toEqual(
      ["present", "cleanup", "present", "cleanup"].map((w) => `${w} ${name}`),
    );
  });

  test("a challenge that the CA is processing already is not answered again", async () => {
    const it = await afterFailure("challenge");
    const processing = (json: Record<string, unknown>) => ({
      ...json,
      challenges: (json["challenges"] as object[]).map((one) => ({ ...one, status: "processing" })),
    });
    const valid = (json: object) => ({ ...json, status: "valid" });
    it.server.faults.add({ on: "authz", times: 1, do: { mutate: processing } });
    it.server.faults.add({ on: "authz", times: Infinity, do: { mutate: valid } });
    await problemOf(it.again());
    expect(it.since()).toContain("finalize");
    expect(it.since()).not.toContain("challenge");
  });

  test.each([
    ["the CA calls invalid", { mutate: (json) => ({ ...json, status: "invalid" }) }],
    ["the CA has forgotten", { status: 404, problem: { type: "malformed" } }],
    ["the CA has removed", { status: 410, problem: { type: "malformed" } }],
    ["the CA says belongs to somebody else", { status: 403, problem: { type: "unauthorized" } }],
    [
      "is for other names",
      { mutate: (json) => ({ ...json, identifiers: [{ type: "dns", value: "evil.test" }] }) },
    ],
  ] satisfies [string, FaultAction][])(
    "that %s is dropped, and one is started",
    async (_, action) => {
      const it = await afterFailure("certificate");
      it.server.faults.add({ on: "order", do: action });
      const { key, held } = await it.again();
      expect(key).not.toBe(it.pending.privateKey);
      expect(held.meta.orderUrl).not.toBe(it.pending.orderUrl);
      expect(it.since().filter((kind) => kind === "newOrder")).toHaveLength(1);
      expect(it.since().filter((kind) => kind === "finalize")).toHaveLength(1);
    },
  );

  test.each([
    ["another account's", async () => ({ accountId: "somebody" })],
    ["one without the CSR that it was finalized for", async () => ({ csr: undefined })],
  ] satisfies [
    string,
    () => Promise<{ [K in keyof PendingOrder]?: PendingOrder[K] | undefined }>,
  ][])("is not resumed where it is %s", async (_, change) => {
    const it = await afterFailure("certificate");
    const { csr, ...rest } = it.pending;
    const changed = { csr, ...(await change()) };
    await it.store.journal.write({
      ...rest,
      ...(changed.csr === undefined ? {} : { csr: changed.csr }),
      ...("accountId" in changed ? { accountId: changed.accountId } : {}),
    });
    const { held } = await it.again();
    expect(held.meta.orderUrl).not.toBe(it.pending.orderUrl);
    expect(it.since().filter((kind) => kind === "newOrder")).toHaveLength(1);
  });

  test.each([
    ["another key type", { keyType: "ec384" }],
    ["another chain", { preferredChain: "acmectl" }],
  ] satisfies [string, Partial<CertificateRequest>][])(
    "is not resumed, nor asked about, for %s",
    async (_, changed) => {
      const it = await afterFailure("certificate");
      const { held } = await it.again(changed);
      expect(held.meta.orderUrl).not.toBe(it.pending.orderUrl);
      expect(it.since().filter((kind) => kind === "newOrder")).toHaveLength(1);
    },
  );

  test.each([
    ["that is ready", "finalize", ["order"]],
    ["that is valid", "certificate", ["order", "newOrder"]],
  ] as const)(
    "an order %s whose key and CSR are not a pair gets new ones",
    async (_, on, kinds) => {
      const it = await afterFailure(on);
      const other = await createPrivateKey("ec256");
      await it.store.journal.write({ ...it.pending, privateKey: other });
      await it.again();
      expect(it.since().filter((kind) => kind === "order" || kind === "newOrder")).toEqual(
        expect.arrayContaining([...kinds]),
      );
      const stored = await it.store.certificates.readPrivateKey(name);
      expect(stored).not.toBe(other);
    },
  );

  test("an unfinished order is resumed for other solvers, hooks and copies", async () => {
    const it = await afterFailure("certificate");
    const { held } = await it.again({ labels: { team: "shop" }, outputs: { key: "/etc/key.pem" } });
    expect(held.meta.orderUrl).toBe(it.pending.orderUrl);
  });

  test("an unfinished order is kept unless the CA says that it is gone", async () => {
    const it = await afterFailure("certificate");
    for (const action of [
      { destroy: true },
      { status: 429, problem: { type: "rateLimited" } },
      { status: 500, problem: { type: "serverInternal" } },
      { status: 503, body: "" },
      { status: 403, problem: { type: "userActionRequired" } },
      { status: 403, body: "<html>", contentType: "text/html" },
      { status: 404, body: "<html>", contentType: "text/html" },
      { status: 404, body: "404 page not found", contentType: "text/plain" },
      { status: 410, body: "<html>", contentType: "text/html" },
      { status: 200, body: "<html>", contentType: "text/html" },
      { status: 200, body: '{"status":', contentType: "application/json" },
    ] satisfies FaultAction[]) {
      const fault = it.server.faults.add({ on: "order", times: Infinity, do: action });
      const problem = await problemOf(it.again());
      fault.remove();
      expect([4, 5, 6]).toContain(problem.exitCode);
      expect(problem.hint).toContain("--new-order");
      expect(await it.store.journal.read(name)).toMatchObject({ orderUrl: it.pending.orderUrl });
    }
    expect((await it.again()).held.meta.orderUrl).toBe(it.pending.orderUrl);
  });
});

describe("an unfinished order that is read again", () => {
  const now = new Date("2026-01-01T00:00:00Z");

  async function isResumed(read: Partial<Order>, known: Partial<PendingOrder>, clockSkew = 0) {
    const request = requestFor([name]);
    const { identifiers } = request;
    const fields = { url: "https://ca.example/order/1", identifiers, expires: undefined };
    const found = unexpected<Order>("order", { ...fields, ...read });
    const account: OpenAccount = {
      stored: unexpected<StoredAccount>("account", { id: order.accountId }),
      created: false,
      session: session({ order: () => Promise.resolve(found) }),
    };
    const tools = await toolsOf({ ca: unexpected<Ca>("ca", { clockSkew }) });
    tools.clock.set(now);
    const pending = { ...order, requestHash: requestHash(request), ...known };
    return (await resumeOrder(pending, request, account, undefined, tools)) !== undefined;
  }

  test.each(["processing", "valid"] as const)(
    "is resumed as %s only with the CSR that it was finalized for",
    async (status) => {
      expect(await isResumed({ status }, { csr: "csr", privateKey: "key" })).toBe(true);
      expect(await isResumed({ status }, {})).toBe(false);
    },
  );

  test("has expired by the clock of the CA, not by that of this machine", async () => {
    const ready = (expires: string) => ({ status: "ready", expires: new Date(expires) }) as const;
    const later = ready("2026-01-01T00:30:00Z");
    expect(await isResumed(later, {}, 0)).toBe(true);
    expect(await isResumed(later, {}, 3_600_000)).toBe(false);
    expect(await isResumed(ready("2025-12-31T23:30:00Z"), {}, -3_600_000)).toBe(true);
    expect(await isResumed(ready(now.toISOString()), {}, 0)).toBe(false);
  });
});

describe("an order that is stuck", () => {
  const processing = (json: object) => ({ ...json, status: "processing", certificate: undefined });
  /** An order that the CA never finishes. */
  async function stuck() {
    const it = await afterFailure("certificate");
    it.server.faults.add({
      on: ({ path, kind }) => kind === "order" && it.pending.orderUrl?.endsWith(path) === true,
      times: Infinity,
      do: { mutate: processing },
    });
    return it;
  }

  test("a stuck order is polled for a minute by a later run, kept, and the hint names --new-order", async () => {
    const it = await stuck();
    const before = it.tools.clock.monotonic();
    const problem = await problemOf(it.again());
    expect(it.tools.clock.monotonic() - before).toBe(60_000);
    expect(problem.message).toContain('still "processing" after 60 s');
    expect(problem.hint).toContain("--new-order");
    expect(await it.store.journal.read(name)).toMatchObject({ orderUrl: it.pending.orderUrl });
    const status = (await it.store.certificates.read(name))?.status;
    expect(status).toMatchObject({ retryReason: "backoff", failures: 2 });
  });

  test.each(["stuck", "all"] as const)("is let go where %s orders are", async (letGo) => {
    const it = await stuck();
    const { held } = await it.issue(it.requestFor([name]), { letGo });
    expect(held.meta.orderUrl).not.toBe(it.pending.orderUrl);
  });

  test("alone is let go by --force: one that is ready is resumed", async () => {
    const it = await afterFailure("finalize");
    const { held } = await it.issue(it.requestFor([name]), { letGo: "stuck" });
    expect(held.meta.orderUrl).toBe(it.pending.orderUrl);
  });
});

test("an order that has expired by its own word is not resumed", async () => {
  const it = await afterFailure("finalize");
  const expires = new Date(it.tools.clock.now().getTime() - 1000).toISOString();
  it.server.faults.add({ on: "order", do: { mutate: (json) => ({ ...json, expires }) } });
  expect((await it.again()).held.meta.orderUrl).not.toBe(it.pending.orderUrl);
});

test("the journal of an order whose certificate is held is ended, and its key is not used again", async () => {
  const it = await world();
  const request = it.requestFor([name]);
  const { held } = await it.issue(request);
  const privateKey = await it.store.certificates.readPrivateKey(name);
  const [account] = await it.store.accounts.list();
  const killed = {
    name,
    orderUrl: held.meta.orderUrl,
    directory: request.issuer.server,
    accountId: account?.id ?? "",
    requestHash: held.meta.requestHash,
    startedAt: held.meta.issuedAt,
    presented: [],
    csr: "unused",
    ...(privateKey === undefined ? {} : { privateKey }),
  };
  await it.store.journal.write(killed);
  await cleanAllLeftovers(it.again());
  expect(await it.store.journal.names()).toEqual([]);
  await it.store.journal.write(killed);
  const renewed = await it.issue(request, { isWanted: () => true });
  expect(renewed.held.meta.orderUrl).not.toBe(held.meta.orderUrl);
  expect(await it.store.certificates.readPrivateKey(name)).not.toBe(privateKey);
});

test("a download that is the certificate already held is not a renewal, and the next run orders anew", async () => {
  const it = await world();
  const request = it.requestFor([name], { reuseKey: true });
  const { held } = await it.issue(request);
  const old = await it.store.certificates.readCertificate(name);
  const stale = { pem: () => `${old?.certificate}${old?.chain}` };
  it.server.faults.add({ on: "certificate", do: stale });
  const anew = { isWanted: () => true };
  const problem = await problemOf(it.issue(request, anew));
  expect(problem.document.title).toBe("The CA returned the certificate that is already held");
  expect((await it.store.certificates.read(name))?.held).toEqual(held);
  expect(await it.store.journal.names()).toEqual([]);
  expect((await it.issue(request, anew)).held.meta.serial).not.toBe(held.meta.serial);
});

describe("a new order", () => {
  /** What the CA is asked for where it offers these profiles. */
  async function place(
    request: CertificateRequest,
    {
      profiles = {},
      ari = true,
      predecessor,
    }: { profiles?: object; ari?: boolean; predecessor?: HeldCertificate } = {},
  ) {
    const directory: Directory = {
      url: "https://ca.example/directory",
      newNonce: "https://ca.example/nonce",
      newAccount: "https://ca.example/account",
      newOrder: "https://ca.example/order",
      ...(ari ? { renewalInfo: "https://ca.example/ari" } : {}),
      meta: { caaIdentities: [], externalAccountRequired: false, profiles: { ...profiles } },
    };
    const asked: NewOrder[] = [];
    const tools = await toolsOf({
      ca: unexpected<Ca>("ca", {
        url: directory.url,
        clockSkew: 0,
        directory: async () => directory,
      }),
    });
    const account: OpenAccount = {
      stored: unexpected<StoredAccount>("account", { id: "account" }),
      created: false,
      session: session({
        newOrder: async (order) => {
          asked.push(order);
          const { replaces } = order;
          const [url, expires] = ["https://ca.example/order/1", undefined];
          return unexpected<Order>("order", { url, expires, replaces });
        },
      }),
    };
    const journal = await openJournal(request.name, tools);
    await placeOrder(request, predecessor?.meta, account, journal, tools);
    return { asked: asked[0], tools };
  }
  const offered = { profiles: { shortlived: "six days" } };

  test("names the profile that the CA offers", async () => {
    const { asked } = await place(requestFor([name], { profile: "shortlived" }), offered);
    expect(asked).toEqual({ identifiers: [{ type: "dns", value: name }], profile: "shortlived" });
  });

  test("a profile that the CA does not offer is refused, with a list of those that it offers", async () => {
    const problem = await problemOf(place(requestFor([name], { profile: "shortlved" }), offered));
    expect(problem.exitCode).toBe(2);
    expect(problem.message).toContain('"shortlved". It offers: shortlived (six days).');
  });

  test("a CA without profiles issues without one, unless --required-profile is given", async () => {
    const { asked, tools } = await place(requestFor([name], { profile: "shortlived" }));
    expect(asked?.profile).toBeUndefined();
    expect(heard(tools, "warn")[0]).toMatch(/offers no profiles.*Continuing without a profile/);
    const strict = requestFor([name], { profile: "shortlived", profileRequired: true });
    expect((await problemOf(place(strict))).hint).toContain("--required-profile");
  });

  test("names its predecessor where the CA has renewal information and this account was its owner", async () => {
    const request = requestFor([name]);
    const replaces = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    const { identifiers, issuer } = request;
    const issued = { identifiers, directory: issuer.server, account: "account", ariId: replaces };
    const asked = async (change: Partial<VersionMeta>, ari = true) => {
      const meta = unexpected<VersionMeta>("meta", { ...issued, ...change });
      return (await place(request, { predecessor: { version: 1, meta }, ari })).asked;
    };
    expect(await asked({})).toMatchObject({ replaces });
    expect((await asked({}, false))?.replaces).toBeUndefined();
    expect((await asked({ account: "another" }))?.replaces).toBeUndefined();
    expect((await asked({ directory: "https://other.example/" }))?.replaces).toBeUndefined();
  });
});

test("a key that is held is used again where the request says so", async () => {
  const { issue, requestFor, store } = await world();
  const request = requestFor([name], { reuseKey: true });
  await issue(request);
  const key = await store.certificates.readPrivateKey(name);
  await issue(request, { isWanted: () => true });
  expect(await store.certificates.readPrivateKey(name)).toBe(key);
  await issue({ ...request, reuseKey: false }, { isWanted: () => true });
  expect(await store.certificates.readPrivateKey(name)).not.toBe(key);
});

describe("our own limit for the same names in a week", () => {
  /** An entry that has got as many certificates for a.test and b.test as we let one set have. */
  async function used() {
    const it = await world();
    const names = ["a.test", "b.test"];
    const first = it.requestFor(names, { name: "first" });
    for (let count = 0; count < 4; count += 1) await it.issue(first, { isWanted: () => true });
    return {
      ...it,
      names,
      second: it.requestFor(names.toReversed(), { name: "second", fromConfig: true }),
    };
  }

  test("is one for all entries with these names, and --force overrides it each time", async () => {
    const { issue, store, names, second, requestFor } = await used();
    await store.certificates.saveRequest(second);
    const problem = await problemOf(issue(second));
    expect([problem.exitCode, problem.message]).toEqual([
      6,
      expect.stringContaining("several times within a week, so nothing is ordered for second"),
    ]);
    const { status } = (await store.certificates.read("second")) ?? {};
    expect([status?.retryReason, status?.caRetryAt, status?.failures]).toEqual([
      "cap",
      undefined,
      0,
    ]);
    expect((await issue(second, { force: true })).issued).toBe(true);
    expect((await issue(requestFor([...names, "c.test"], { name: "third" }))).issued).toBe(true);
  });

  test("does not count what another CA issued", async () => {
    const { issue, store, second } = await used();
    await store.certificates.updateStatus("first", ({ issuances = [], ...status }) => ({
      ...status,
      issuances: issuances.map((one) => ({ ...one, directory: "https://other.example/directory" })),
    }));
    expect((await issue(second)).issued).toBe(true);
  });
});

test("the dates of an unfinished order, of the CA's limit and of a lock's holder are written for people", async () => {
  const it = await afterFailure("certificate");
  const tools = it.toolsAgain();
  await issue(it.requestFor([name]), { letGo: "all" }, tools);
  const started = `${it.pending.startedAt.slice(0, 16).replace("T", " ")} UTC`;
  expect(heard(tools, "info")).toContain(`not resuming the unfinished order of ${started}`);

  const clock = testClock(new Date("2026-01-01T00:00:00Z"));
  const status = { failures: 1, retryAt: "2026-01-02T00:00:00.000Z", retryReason: "ca" } as const;
  const limited = refuseByLimit(it.requestFor([name]), { status }, false, { ...tools, clock });
  await expect(limited).rejects.toThrow(
    `The CA accepts no order for ${name} before 2026-01-02 00:00 UTC, in 24 hours.`,
  );
  const rest = { startTime: "", bootId: "", pidNamespace: "", token: "", what: "" };
  const holder = { ...rest, pid: 7, host: "web1", since: "2026-01-01T10:00:00.000Z" };
  expect(describeHolder(holder)).toBe("pid 7 on web1 since 2026-01-01 10:00 UTC");
});
