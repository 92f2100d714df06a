import { describe, expect, test } from "vitest";
import type { Ca, Directory } from "../../src/acme/acme.ts";
import type { VersionMeta } from "../../src/certificate.ts";
import { isAriDue, refreshAri } from "../../src/renew/ari.ts";
import { jitterOf } from "../../src/renew/pass.ts";
import { requestHash } from "../../src/request/drift.ts";
import { intervalFor } from "../../src/schedule/interval.ts";
import type { CertificateStatus } from "../../src/state/certificate-status.ts";
import type { Store, StoredCertificate } from "../../src/state/store.ts";
import { silentLog } from "../../src/testing.ts";
import { dueOf, pauseOf } from "../../src/status/due.ts";
import { testClock } from "../support/clock.ts";
import { requestFor, unexpected } from "../issue/world.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 2, 1);
const end = start + 30 * day;
const request = requestFor(["example.com"]);

/** A world in which the real decisions are taken: which certificate is due, who backs off, how long a run waits. */
interface World {
  readonly lifetime: number;
  /** When the CA's window opens and closes, as parts of the lifetime; undefined without ARI. */
  readonly window?: readonly [number, number] | undefined;
  /** A timer that was missed while the machine was off runs at boot; a crontab line does not. */
  readonly scheduler: "systemd" | "cron";
  readonly isOn: (time: number) => boolean;
  readonly isCaUp: (time: number) => boolean;
}

interface Lived {
  readonly every: number;
  readonly runs: number;
  readonly orders: readonly number[];
  /** Milliseconds with the machine on and the certificate expired. */
  readonly expired: number;
  /** Runs that left a certificate alone that then expired before the next run. */
  readonly missed: readonly number[];
  readonly questions: number;
}

async function live(world: World): Promise<Lived> {
  const random = seeded(world.lifetime);
  let held = issued(start, world.lifetime, undefined);
  const every = intervalFor([held.held ?? never()]) * minute;
  const offset = Math.floor(random() * every);
  const [orders, missed]: [number[], number[]] = [[start], []];
  let [runs, expired, questions, idleUntil, seen] = [0, 0, 0, 0, start];
  for (let slot = start + offset; slot < end; slot += every) {
    const run = runAt(slot, every, world);
    if (run === undefined || run < idleUntil) continue;
    runs += 1;
    const notAfter = endOf(held);
    if (run >= notAfter) expired += onBetween(Math.max(notAfter, seen), run, world);
    seen = run;
    const asked = await examined(held, run, world, random);
    held = asked.certificate;
    questions += asked.questions;
    const now = new Date(run);
    const isDue = dueOf(held, now, every).at <= now && pauseOf(held, now, false) === undefined;
    if (!isDue) {
      const isDueByTime = dueOf(held, now).at <= now || slot + 2 * every >= notAfter;
      const isAvoidable = isDueByTime && notAfter > run && world.isCaUp(run);
      if (isAvoidable && nextRun(slot + every, every, world) > notAfter) missed.push(run);
      continue;
    }
    const asking = run + jitterOf(held, every, now, random);
    if (!world.isCaUp(asking)) {
      held = failed(held, run);
      continue;
    }
    orders.push(asking);
    held = issued(asking, world.lifetime, held.status);
    idleUntil = asking;
  }
  return { every, runs, orders, expired, missed, questions };
}

function never(): never {
  throw new Error("a certificate is held");
}

/** The run of a slot: at its time, or at boot where the scheduler catches up. */
function runAt(slot: number, every: number, { isOn, scheduler }: World): number | undefined {
  if (isOn(slot)) return slot;
  if (scheduler === "cron") return undefined;
  for (let time = slot; time < slot + every; time += minute) if (isOn(time)) return time;
  return undefined;
}

function nextRun(slot: number, every: number, world: World): number {
  for (let time = slot; time < end; time += every) {
    const run = runAt(time, every, world);
    if (run !== undefined) return run;
  }
  return end;
}

function onBetween(from: number, to: number, { isOn }: World): number {
  let on = 0;
  for (let time = from; time < to; time += minute)
    if (isOn(time)) on += Math.min(minute, to - time);
  return on;
}

function endOf({ held }: StoredCertificate): number {
  return new Date(held?.meta.notAfter ?? 0).getTime();
}

function issued(
  time: number,
  lifetime: number,
  before: CertificateStatus | undefined,
): StoredCertificate {
  const at = new Date(time).toISOString();
  const meta: VersionMeta = {
    identifiers: request.identifiers,
    serial: "01",
    fingerprint: at,
    issuer: "R11",
    notBefore: at,
    notAfter: new Date(time + lifetime).toISOString(),
    keyType: "ec256",
    directory: request.issuer.server,
    account: "account",
    certificateUrl: "https://ca.example/certificate/1",
    orderUrl: "https://ca.example/order/1",
    ariId: `ari.${time}`,
    issuedAt: at,
    requestHash: requestHash(request),
  };
  const status: CertificateStatus = {
    failures: 0,
    lastSuccess: at,
    ...(before?.lastSuccess === undefined ? {} : { previousSuccess: before.lastSuccess }),
  };
  return { name: request.name, request, status, held: { version: 1, meta } };
}

/** As the pipeline records it: 1, 10, 100 minutes, then daily. */
function failed(certificate: StoredCertificate, run: number): StoredCertificate {
  const { status } = certificate;
  const wait = [1, 10, 100, 1440][Math.min(status.failures, 3)] ?? 0;
  return {
    ...certificate,
    status: {
      ...status,
      failures: status.failures + 1,
      retryAt: new Date(run + wait * minute).toISOString(),
      retryReason: "backoff",
      failedRequest: requestHash(request),
      lastAttempt: { startedAt: new Date(run).toISOString(), outcome: "failed", events: [] },
    },
  };
}

/** With the CA's renewal information, if it has any and it is time to ask. */
async function examined(
  certificate: StoredCertificate,
  run: number,
  { window, lifetime, isCaUp }: World,
  random: () => number,
) {
  if (window === undefined || !isCaUp(run) || !isAriDue(certificate, new Date(run)))
    return { certificate, questions: 0 };
  let questions = 0;
  const ca = unexpected<Ca>("ca", {
    directory: async () => ({ renewalInfo: "https://ca.example/ari" }) as unknown as Directory,
    renewalInfo: async (id) => {
      questions += 1;
      const born = Number(id.split(".")[1]);
      return {
        start: new Date(born + window[0] * lifetime),
        end: new Date(born + window[1] * lifetime),
        retryAfter: new Date(run + 6 * hour),
      };
    },
  });
  const updateStatus = async (_: string, change: (one: CertificateStatus) => CertificateStatus) =>
    change(certificate.status);
  const tools = {
    ca,
    store: { certificates: { updateStatus } } as unknown as Store,
    clock: testClock(new Date(run)),
    log: silentLog,
    signal: new AbortController().signal,
  };
  return { certificate: await refreshAri(certificate, tools, random), questions };
}

/** The same numbers in every run of the test. */
function seeded(seed: number): () => number {
  let state = seed % 2_147_483_647 || 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** Blocks of this length, of which a third at random are off. */
function offAThird(block: number): (time: number) => boolean {
  const random = seeded(block + 7);
  const blocks = Array.from({ length: Math.ceil((31 * day) / block) }, () => random() >= 1 / 3);
  return (time) => blocks[Math.floor((time - start) / block)] ?? true;
}

const always = () => true;
/** Out of order for two hours every week. */
const mostly = (time: number) => (time - start) % (7 * day) < 7 * day - 2 * hour;
const atNight = (time: number) => (time - start) % day >= 8 * hour;

const lifetimes: readonly (readonly [string, number])[] = [
  ["6 minutes", hour / 10],
  ["1 hour", hour],
  ["12 hours", 12 * hour],
  ["24 hours", day],
  ["6 days", 6 * day],
  ["45 days", 45 * day],
  ["90 days", 90 * day],
  ["398 days", 398 * day],
];
const machines = [
  ["always on", "systemd", always],
  ["off at night", "systemd", atNight],
  ["off at night", "cron", atNight],
  ["off at random", "cron", offAThird(5 * hour)],
] as const;

function mostInAWeek(orders: readonly number[]): number {
  let [most, first] = [0, 0];
  for (const [index, time] of orders.entries()) {
    while ((orders[first] ?? time) <= time - 7 * day) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "))
    .join("\n");
}

describe("30 days of scheduled runs", () => {
  test("30 days of scheduled runs let nothing expire that could be renewed, and stay below a CA's limits", async () => {
    const rows = [
      ["lifetime", "ARI", "scheduler", "machine", "every", "runs", "orders", "a week", "expired"],
    ];
    for (const [name, lifetime] of lifetimes)
      for (const window of [undefined, [0.62, 0.68] as const])
        for (const [machine, scheduler, isOn] of machines) {
          const world = { lifetime, window, scheduler, isOn, isCaUp: mostly };
          const lived = await live(world);
          const { every, runs, orders, expired, missed, questions } = lived;
          const perWeek = mostInAWeek(orders);
          rows.push([
            name,
            window === undefined ? "no" : "yes",
            scheduler,
            machine,
            `${every / minute} min`,
            `${runs}`,
            `${orders.length}`,
            `${perWeek}`,
            `${Math.round(expired / minute)} min`,
          ]);
          const row = rows.at(-1)?.join(", ");
          expect(missed, row).toEqual([]);
          expect(questions, row).toBeLessThanOrEqual(orders.length + 30 * 4 + 1);
          if (lifetime >= 6 * day) expect(perWeek, row).toBeLessThan(5);
          expect(orders.length, row).toBeLessThanOrEqual((30 * day) / (0.4 * lifetime) + 2);
          if (lifetime >= (isOn === always ? 12 * hour : 6 * day)) expect(expired, row).toBe(0);
        }
    process.stdout.write(`${table(rows)}\n`);
  }, 120_000);

  test.each([
    ["6 days", 6 * day],
    ["45 days", 45 * day],
    ["90 days", 90 * day],
  ])(
    "order fewer than five certificates of %s a week although the CA's window always lies in the past",
    async (_, lifetime) => {
      const window = [-2, -1] as const;
      const world = { lifetime, window, scheduler: "cron", isOn: always, isCaUp: always } as const;
      const { orders } = await live(world);
      expect(mostInAWeek(orders)).toBeLessThan(5);
      expect(orders.length).toBeGreaterThan(5);
    },
  );
});
