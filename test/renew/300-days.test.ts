import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Ca, Directory } from "../../src/acme/acme.ts";
import { issue } from "../../src/issue/issue.ts";
import { mayAskCa, refreshAri } from "../../src/renew/ari.ts";
import { dueOf, pauseOf } from "../../src/status/due.ts";
import type { StoredCertificate } from "../../src/state/store.ts";
import { silentLog } from "../../src/testing.ts";
import type { TestClock } from "../support/clock.ts";
import { temporaryFolder } from "../support/state.ts";
import { openMemoryStore } from "../state/memory.ts";
import { unexpected, world } from "../issue/world.ts";

const hour = 3_600_000;
const day = 24 * hour;
const every = 6 * hour;
const days = 300;
const start = Date.UTC(2026, 0, 1);
const revocation = start + 100 * day;

type Window = readonly [start: number, end: number];

/** What the CA answers for a certificate that was issued then. */
const windows: Readonly<Record<string, (issued: number, now: number) => Window>> = {
  "honest.test": (issued) => [issued + 59 * day, issued + 61 * day],
  "open.test": (issued) => [issued - hour, issued + 40 * day],
  "past.test": () => [start - 20 * day, start - 10 * day],
  "predecessor.test": () => [start + 55 * day, start + 57 * day],
  "expired.test": (issued) => [issued + 59 * day, issued + 61 * day],
  "identical.test": (issued) => [issued + 59 * day, issued + 61 * day],
  "revoked.test": (issued, now) =>
    now >= revocation && issued < revocation
      ? [revocation - 2 * day, revocation - day]
      : [issued + 59 * day, issued + 61 * day],
};
const names = Object.keys(windows);

/** The embedded CA and a store in memory, both by a clock of the test's. */
async function calendar() {
  let clock: TestClock | undefined;
  const it = await world({
    authorizationReuse: 400 * day,
    now: () => clock?.now() ?? new Date(start),
  });
  ({ clock } = it.tools);
  clock.set(new Date(start));
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const store = openMemoryStore(new Map(), join(folder.path, "files"), clock);
  const tools = it.again({ store });
  const issuedAt = new Map<string, number>();
  const ca = unexpected<Ca>("ca", {
    directory: async () => ({ renewalInfo: "https://ca.example/ari" }) as unknown as Directory,
    renewalInfo: async (id) => {
      const now = tools.clock.now().getTime();
      const [name = "", issued = 0] = [...issuedAt].find(([key]) => key.endsWith(id)) ?? [];
      const [from, to] = windows[name.split(" ")[0] ?? ""]?.(issued, now) ?? [0, 0];
      const retryAfter = new Date(now + every);
      return { start: new Date(from), end: new Date(to), retryAfter };
    },
  });
  const asking = { ca, clock, log: silentLog, signal: tools.signal, store };
  const orders: { name: string; at: number }[] = [];

  /** As a pass does: ask, decide, order. */
  async function renew(name: string, isFirst = false): Promise<StoredCertificate> {
    const now = tools.clock.now();
    const request = it.requestFor([name], { reuseKey: true });
    const before = await store.certificates.read(name);
    if (before?.held !== undefined)
      issuedAt.set(`${name} ${before.held.meta.ariId}`, Date.parse(before.held.meta.issuedAt));
    const known =
      before !== undefined && mayAskCa(before, now) ? await refreshAri(before, asking) : before;
    const isWanted = (one: StoredCertificate) => dueOf(one, now, every).at <= now;
    const isDue = known !== undefined && isWanted(known);
    if (isFirst || (isDue && pauseOf(known, now, false) === undefined)) {
      orders.push({ name, at: now.getTime() });
      await issue(request, { isWanted, startedAt: now }, it.again({ store })).catch(
        () => undefined,
      );
    }
    const after = await store.certificates.read(name);
    if (after === undefined) throw new Error(`${name} was not issued`);
    return after;
  }
  return { it, clock, store, orders, renew };
}

/** Expired and identical certificates are returned from the day on which they fall due, for eight days. */
async function returnOld({ it, clock, store }: Awaited<ReturnType<typeof calendar>>) {
  const returned = new Map<string, number>();
  const old = new Map<string, string>();
  for (const name of ["expired.test", "identical.test"]) {
    const { certificate = "", chain = "" } = (await store.certificates.readCertificate(name)) ?? {};
    old.set(name, certificate + chain);
  }
  it.server.faults.add({
    on: "certificate",
    times: Infinity,
    do: {
      pem: (pem) => {
        const name = new X509Certificate(pem).subjectAltName?.replace("DNS:", "") ?? "";
        const age = (clock.now().getTime() - start) / day;
        const from = name === "expired.test" ? 110 : 50;
        const chain = old.get(name);
        if (chain === undefined || age < from || age > from + 20) return pem;
        returned.set(name, (returned.get(name) ?? 0) + 1);
        return chain;
      },
    },
  });
  return returned;
}

test("300 days with a CA whose renewal information and certificates are wrong: no loop, no expiry, orders below the cap", async () => {
  const all = await calendar();
  const { clock, orders, renew } = all;
  for (const name of names) await renew(name, true);
  const returned = await returnOld(all);
  let replaced = Infinity;
  for (let now = start; now < start + days * day; now += every) {
    clock.set(new Date(now));
    for (const name of names) {
      const { held } = await renew(name);
      expect(Date.parse(held?.meta.notAfter ?? ""), name).toBeGreaterThan(now);
      const isNew = Date.parse(held?.meta.issuedAt ?? "") >= revocation;
      if (name === "revoked.test" && isNew) replaced = Math.min(replaced, now);
    }
  }
  expect(replaced - revocation).toBeLessThanOrEqual(day);
  for (const name of ["expired.test", "identical.test"])
    expect(returned.get(name), name).toBeGreaterThan(2);
  for (const name of names) {
    const times = orders.filter((one) => one.name === name).map(({ at }) => at);
    const week = (from: number) => times.filter((one) => one >= from && one < from + 7 * day);
    const most = Math.max(...times.map((time) => week(time).length));
    process.stdout.write(`${name}: ${times.length} orders, at most ${most} a week\n`);
    expect(most, name).toBeLessThan(5);
  }
}, 300_000);
