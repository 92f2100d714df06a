import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { publicKeyOf } from "../../src/acme/certificate/extensions.ts";
import type { CertificateRequest } from "../../src/certificate.ts";
import type { Dns } from "../../src/dns/dns.ts";
import { updateRecords } from "../../src/issue/dane/dane.ts";
import { isUpToDate } from "../../src/issue/dane/up-to-date.ts";
import { tlsaOf, unannouncedAt } from "../../src/issue/dane/keys.ts";
import { issue } from "../../src/issue/issue.ts";
import type { IssueTools } from "../../src/issue/tools.ts";
import {
  heard,
  lookOf,
  problemOf,
  setOf,
  settingOf,
  solverOf,
  unexpected,
  world,
  type World,
} from "./world.ts";

const [name, at] = ["mail.example.test", "_25._tcp.mail.example.test"];

/** A zone whose records a solver writes, and the world around it. */
async function daneWorld(ttl = 60) {
  const it = await world();
  const records = new Map<string, string[]>();
  const events: string[] = [];
  const of = (owner: string) => records.get(owner) ?? [];
  const writer = solverOf("zone", {
    present: async (challenge) => {
      if (challenge.type !== "dns-01") throw new Error("only dns-01");
      const { recordName, recordValue, recordType } = challenge;
      events.push(`publish ${recordType} ${recordName}`);
      records.set(recordName, [...new Set([...of(recordName), recordValue])]);
      return null;
    },
    cleanup: async (challenge) => {
      if (challenge.type !== "dns-01") throw new Error("only dns-01");
      const { recordName, recordValue } = challenge;
      events.push(`remove ${recordName}`);
      records.set(
        recordName,
        of(recordName).filter((value) => value !== recordValue),
      );
    },
  });
  const zone = { ...writer, plugin: { ...writer.plugin, recordTypes: ["TXT", "TLSA"] as const } };
  const own = setOf(zone);
  const isZone = ({ name }: { name: string }) => name === "zone";
  const web = it.tools.solvers;
  const dns = unexpected<Dns>("dns", {
    follow: async (name) => ({ name, warnings: [] }),
    lookForTlsa: async (owner, wanted) => {
      const values = of(owner);
      const isThere = typeof wanted === "string" ? values.includes(wanted) : values.some(wanted);
      const shown = { values, ttl: values.length === 0 ? undefined : ttl };
      return lookOf({ state: isThere ? "shows" : "missing", ...shown });
    },
    findZone: async () => ({ name: "example.test", nameservers: [] }),
    askZone: async () => undefined,
    resolve: async () => undefined,
  });
  const given: Partial<IssueTools> = {
    dns: () => dns,
    solvers: {
      plugin: (one) => (isZone(one) ? own : web).plugin(one),
      open: (one) => (isZone(one) ? own : web).open(one),
      reopen: (one) => (isZone(one) ? own : web).reopen(one),
      close: () => Promise.resolve(),
    },
  };
  const request = it.requestFor([name], {
    dane: { ports: [25], solver: settingOf("zone") },
    hooks: { deploy: [{ run: "true" }] },
  });
  return {
    ...it,
    given,
    records,
    events,
    request,
    values: () => of(at),
    async renew(wanted: CertificateRequest = request) {
      const tools = it.again(given);
      await issue(wanted, { isWanted: () => true }, tools);
      return tools;
    },
    update: (wanted: CertificateRequest = request) => updateRecords(wanted, it.again(given)),
    /** All deploy steps are done. */
    async deploy() {
      const known = await it.store.certificates.read(name);
      const { stepsOf } = await import("../../src/deploy/steps.ts");
      const state = { version: known?.held?.version ?? 0, state: "done", at: "now" } as const;
      const steps = stepsOf(request).map(({ key }) => [key, state] as const);
      await it.store.certificates.updateStatus(name, (status) => ({
        ...status,
        deploy: Object.fromEntries(steps),
      }));
    },
  };
}

async function valueInUse({ store }: Pick<World, "store">): Promise<string> {
  const pems = await store.certificates.readCertificate(name);
  return tlsaOf(publicKeyOf(new X509Certificate(pems?.certificate ?? "")));
}

test("a first certificate has its key in the DNS before it is ordered", async () => {
  const it = await daneWorld();
  const failing = { ...it.request, solvers: [settingOf("unknown")] };
  await problemOf(it.renew(failing));
  expect(it.records.size).toBe(0);
  await it.renew();
  expect(it.values()).toEqual([await valueInUse(it)]);
  expect(it.events[0]).toBe(`publish TLSA ${at}`);
});

test("the key of an order that waits for its certificate is announced, and kept", async () => {
  const it = await daneWorld();
  it.server.faults.add({ on: "certificate", times: Infinity, do: { status: 404 } });
  await problemOf(it.renew({ ...it.request, dane: undefined }));
  const order = await it.store.journal.read(name);
  it.server.faults.clear();
  await it.renew();
  expect(await it.store.certificates.readPrivateKey(name)).toBe(order?.privateKey);
  expect(it.values()).toEqual([await valueInUse(it)]);
});

test("a renewal uses the key that was announced, and the old record goes after the deployment", async () => {
  const it = await daneWorld();
  await it.renew();
  await it.deploy();
  expect(await it.update()).toBeUndefined();
  const [current, next] = it.values();
  expect(current).toBe(await valueInUse(it));
  it.tools.clock.advance(120_000);
  const tools = await it.renew();
  expect(await valueInUse(it)).toBe(next);
  expect(heard(tools, "info").join()).not.toContain("waiting");
  // Not deployed yet: servers still use the old key.
  await it.update();
  expect(it.values()).toHaveLength(3);
  expect(it.values()).toContain(current);
  await it.deploy();
  await it.update();
  expect(it.values()).toHaveLength(2);
  expect(it.values()).toContain(next);
  expect(it.values()).not.toContain(current);
});

test("a certificate is not announced while the records at a port are of other keys alone", async () => {
  const it = await daneWorld();
  const unannounced = async () => {
    const known = await it.store.certificates.read(name);
    return known && unannouncedAt({ ...known, request: it.request }, it.store);
  };
  await it.renew({ ...it.request, dane: undefined });
  expect(await unannounced()).toEqual([]);
  await it.update();
  expect(await unannounced()).toEqual([]);
  const inUse = await valueInUse(it);
  await it.store.certificates.updateStatus(name, ({ dane, ...status }) => ({
    ...status,
    dane: {
      records: dane?.records.filter(({ challenge }) => challenge.recordValue !== inUse) ?? [],
    },
  }));
  expect(await unannounced()).toEqual([at]);
  await it.update();
  expect(await unannounced()).toEqual([]);
});

test("nothing is written or looked up while the records are up to date", async () => {
  const it = await daneWorld();
  await it.renew();
  await it.deploy();
  await it.update();
  const known = await it.store.certificates.read(name);
  if (known === undefined) throw new Error("it is stored");
  expect(isUpToDate(known, it.tools.clock.now())).toBe(true);
  expect(
    isUpToDate(
      { ...known, request: { ...known.request, dane: { ports: [465] } } },
      it.tools.clock.now(),
    ),
  ).toBe(false);
  const dns = () => unexpected<Dns>("dns");
  expect(await updateRecords(it.request, it.again({ ...it.given, dns }))).toBeUndefined();
});

test("a renewal waits until no cache has a set without the key, and stops if that takes longer than ten minutes", async () => {
  for (const [ttl, waits] of [
    [60, true],
    [3600, false],
  ] as const) {
    const it = await daneWorld(ttl);
    await it.renew();
    await it.deploy();
    await it.update();
    const orders = it.count("newOrder");
    if (waits) {
      const before = it.tools.clock.now().getTime();
      const tools = await it.renew();
      expect(heard(tools, "info").join()).toContain("waiting 120 s until no cache");
      expect(it.tools.clock.now().getTime() - before).toBeGreaterThanOrEqual(120_000);
      continue;
    }
    const problem = await problemOf(it.renew());
    expect(problem).toMatchObject({ exitCode: 6, retryable: true });
    expect(problem.retryAt?.getTime()).toBeGreaterThan(it.tools.clock.now().getTime() + 7_000_000);
    expect(it.count("newOrder")).toBe(orders);
    const { status } = (await it.store.certificates.read(name)) ?? {};
    expect(status).toMatchObject({ failures: 0 });
    expect(status?.retryAt).toBeUndefined();
    it.tools.clock.advance(7_200_000);
    await it.renew();
    expect(it.count("newOrder")).toBe(orders + 1);
  }
});

test("a record that somebody has removed is published again before an order", async () => {
  const it = await daneWorld();
  await it.renew();
  await it.deploy();
  await it.update();
  it.records.set(at, it.values().slice(0, 1));
  await it.renew();
  expect(it.values()).toContain(await valueInUse(it));
});

test("a run that was killed while it published leaves records that the next one knows", async () => {
  const it = await daneWorld();
  await it.renew();
  await it.deploy();
  const killed = new AbortController();
  const present = it.events.push.bind(it.events);
  it.events.push = (...events) => {
    killed.abort(new Error("killed"));
    return present(...events);
  };
  const tools = it.again({ ...it.given, signal: killed.signal });
  await expect(updateRecords(it.request, tools)).rejects.toThrow("killed");
  it.events.push = present;
  const left = (await it.store.certificates.read(name))?.status.dane?.records ?? [];
  const known = left.map(({ challenge }) => challenge.recordValue);
  for (const value of it.values()) expect(known).toContain(value);
  await it.update();
  expect(it.values()).toHaveLength(2);
});

test("without deploy steps the old record stays until the old certificate has expired", async () => {
  const it = await daneWorld();
  const request = { ...it.request, hooks: {} };
  await it.renew(request);
  await it.update(request);
  const old = await valueInUse(it);
  const { notAfter = "" } = (await it.store.certificates.read(name))?.held?.meta ?? {};
  it.tools.clock.advance(120_000);
  await it.renew(request);
  await it.update(request);
  expect(it.values()).toContain(old);
  it.tools.clock.set(new Date(Date.parse(notAfter) + 1000));
  await it.update(request);
  expect(it.values()).not.toContain(old);
  expect(it.values()).toHaveLength(2);
});

test("removed from the request, all its records and next keys are removed, that of the key in use last", async () => {
  const it = await daneWorld();
  await it.renew();
  await it.deploy();
  await it.update();
  const foreign = `3 1 1 ${"00".repeat(32)}`;
  it.records.set(at, [foreign, ...it.values()]);
  await it.update({ ...it.request, dane: undefined });
  expect(it.values()).toEqual([foreign]);
  expect(await it.store.certificates.readNextKey(name, "ec256")).toBeUndefined();
  expect((await it.store.certificates.read(name))?.status.dane).toBeUndefined();
});

test("a compromised key is replaced by the announced one, though keys are kept otherwise", async () => {
  const it = await daneWorld();
  const request = { ...it.request, reuseKey: true };
  await it.renew(request);
  await it.deploy();
  await it.update(request);
  const first = await valueInUse(it);
  it.tools.clock.advance(120_000);
  await it.renew(request);
  expect(await valueInUse(it)).toBe(first);
  const { fingerprint = "" } = (await it.store.certificates.read(name))?.held?.meta ?? {};
  const at = it.tools.clock.now().toISOString();
  const revoked = { fingerprint, at, reason: "keyCompromise" };
  await it.store.certificates.updateStatus(name, (status) => ({ ...status, revoked }));
  const [, next] = it.values();
  const tools = await it.renew(request);
  expect(await valueInUse(it)).toBe(next);
  expect(heard(tools, "info").join()).not.toContain("waiting");
});

test("a temporary certificate has the key whose record is published next", async () => {
  const it = await daneWorld();
  const refusal = { status: 403, body: "no" } as const;
  const fault = it.server.faults.add({ on: "newOrder", times: Infinity, do: refusal });
  await problemOf(it.renew({ ...it.request, temporary: true }));
  expect(it.values()).toEqual([await valueInUse(it)]);
  fault.remove();
  await it.renew({ ...it.request, temporary: true });
  expect(it.values()).toEqual([await valueInUse(it)]);
});

test("a solver that fails to publish is a deploy Problem, and the next run repeats it", async () => {
  const it = await daneWorld();
  await it.renew();
  await it.deploy();
  const problem = await updateRecords(
    it.request,
    it.again({ ...it.given, solvers: it.tools.solvers }),
  );
  expect(problem).toMatchObject({ exitCode: 9, message: "no solver zone" });
  expect(await it.update()).toBeUndefined();
  expect(it.values()).toHaveLength(2);
});
