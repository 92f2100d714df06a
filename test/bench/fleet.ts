/**
 * A year of a fleet, on a clock of its own. When a certificate is due, when it is tried again and what is chosen in a renewal
 * window is decided by acmectl's own rules. The CA is a model: it has the published limits and windows of Let's Encrypt, is
 * down for a day, and revokes a share of all certificates.
 */
import { presets } from "../../src/acme/presets.ts";
import type { CertificateRequest } from "../../src/certificate.ts";
import { afterFailure } from "../../src/issue/back-off.ts";
import { Problem } from "../../src/problem.ts";
import { askCa } from "../../src/renew/ari.ts";
import { requestHash } from "../../src/request/drift.ts";
import type { CertificateStatus } from "../../src/state/certificate-status.ts";
import { dueOf, pauseOf } from "../../src/status/due.ts";
import type { KnownCertificate } from "../../src/status/certificates.ts";

export interface Plan {
  readonly certificates: number;
  readonly days: number;
  /** Of each certificate. Milliseconds. */
  readonly lifetime: number;
  /** Orders that all workers together finish in a second. */
  readonly perSecond: number;
  /** The CA answers nothing from one day to another. */
  readonly outage: readonly [from: number, to: number];
  /** On `day`, the CA says of this share of all certificates that it will revoke them `within` milliseconds. */
  readonly revocation: { readonly day: number; readonly share: number; readonly within: number };
  /** The share of attempts that fail for a reason that passes. */
  readonly failing: number;
}

export interface Month {
  renewals: number;
  /** The most certificates that were due and had no successor yet. */
  backlog: number;
  /** The most renewals in an hour. */
  hourly: number;
  /** The shortest time that was left of a certificate when its successor came. Milliseconds. */
  left: number;
}

export interface Year {
  readonly months: readonly Month[];
  readonly expired: number;
  /** Certificates that were still in use when the CA revoked them. */
  readonly revoked: number;
  /** Orders that the CA refused because a limit was used up. */
  readonly refused: number;
}

const minute = 60_000;
const hour = 60 * minute;
export const day = 24 * hour;
const month = 30 * day;
/** Of the simulated clock: a worker looks at least as often. */
const step = 5 * minute;
/** The longest time between two questions for renewal information. */
const question = 6 * hour;
const start = Date.UTC(2027, 0, 1);

function publicCa() {
  const ca = presets.find(({ name }) => name === "letsencrypt");
  const perSet = ca?.limits?.certificatesPerSet;
  if (ca?.renewal === undefined || perSet === undefined) throw new Error("the preset has changed");
  return { url: ca.url, renewal: ca.renewal, perSet };
}
const { url: server, renewal, perSet } = publicCa();
/** Orders for one set of names in a time; renewals count toward no other limit of this CA. */
const { most, per } = perSet;

export async function simulate(plan: Plan, random: () => number): Promise<Year> {
  const fleet = openFleet(plan, random);
  for (let index = 0; index < plan.certificates; index++) {
    fleet.issued[index] = start - random() * plan.lifetime * 0.64;
    await learn(index, start, fleet);
    fleet.agenda.add(index, nextLook(index, start, fleet));
  }
  let waiting: readonly number[] = [];
  const atOnce = Math.floor((plan.perSecond * step) / 1000);
  const hourly: number[] = [];
  for (let now = start; now < start + plan.days * day; now += step) {
    const current = monthOf(now, fleet);
    waiting = waiting.concat(fleet.agenda.take(now));
    const turn = waiting.slice(0, atOnce);
    waiting = waiting.slice(atOnce);
    let renewed = 0;
    for (const index of turn) {
      renewed += await work(index, now, fleet);
      fleet.agenda.add(index, nextLook(index, now, fleet));
    }
    hourly.push(renewed);
    current.renewals += renewed;
    current.hourly = Math.max(current.hourly, hourly.slice(-hour / step).reduce(sum, 0));
    current.backlog = Math.max(current.backlog, waiting.length + fleet.failing.size);
  }
  const { months, expired, revoked, refused } = fleet;
  return { months, expired, revoked, refused };
}

const sum = (one: number, other: number) => one + other;

/** By index of the certificate; times in milliseconds. */
interface Fleet {
  readonly plan: Plan;
  readonly random: () => number;
  readonly issued: Float64Array;
  /** The time chosen in the renewal window. */
  readonly selected: Float64Array;
  /** 1 once it knows that the CA will revoke it. */
  readonly knows: Uint8Array;
  /** Of those whose last attempt failed. */
  readonly failing: Map<number, CertificateStatus>;
  /** The times of the last orders, `most` for each certificate. */
  readonly orders: Float64Array;
  readonly agenda: Agenda;
  readonly months: Month[];
  expired: number;
  revoked: number;
  refused: number;
}

function openFleet(plan: Plan, random: () => number): Fleet {
  const count = plan.certificates;
  return {
    plan,
    random,
    issued: new Float64Array(count),
    selected: new Float64Array(count),
    knows: new Uint8Array(count),
    failing: new Map(),
    orders: new Float64Array(count * most),
    agenda: openAgenda(count, (plan.days * day) / step),
    months: [],
    expired: 0,
    revoked: 0,
    refused: 0,
  };
}

interface Agenda {
  add(index: number, time: number): void;
  /** Those whose time has come. */
  take(now: number): number[];
}

/** A list for each step of the clock, linked by index: a million entries cost no object each. */
function openAgenda(count: number, steps: number): Agenda {
  const first = new Int32Array(steps + 1).fill(-1);
  const next = new Int32Array(count);
  return {
    add(index, time) {
      const at = Math.min(steps, Math.max(0, Math.ceil((time - start) / step)));
      next[index] = first[at] ?? -1;
      first[at] = index;
    },
    take(now) {
      const at = (now - start) / step;
      const found: number[] = [];
      for (let index = first[at] ?? -1; index !== -1; index = next[index] ?? -1) found.push(index);
      return found;
    },
  };
}

function monthOf(now: number, { months }: Fleet): Month {
  const index = Math.floor((now - start) / month);
  return (months[index] ??= { renewals: 0, backlog: 0, hourly: 0, left: Infinity });
}

/** Its next time as a service has it: when it is due or may be tried again, and when the CA's answer about a revocation reaches it. */
function nextLook(index: number, now: number, fleet: Fleet): number {
  const known = certificateOf(index, fleet);
  const date = new Date(now);
  const due = dueOf(known, date).at.getTime();
  const pause = pauseOf(known, date, false)?.until.getTime() ?? 0;
  const told = toldAt(index, fleet);
  const look = Math.max(due, pause, now + step);
  return fleet.knows[index] === 0 && told !== undefined && told < look
    ? Math.max(told, now + step)
    : look;
}

/** 1 if the certificate was renewed. */
async function work(index: number, now: number, fleet: Fleet): Promise<number> {
  const { plan, issued, failing } = fleet;
  const told = toldAt(index, fleet);
  if (told !== undefined && told <= now && fleet.knows[index] === 0) {
    fleet.knows[index] = 1;
    await learn(index, now, fleet);
  }
  const known = certificateOf(index, fleet);
  const date = new Date(now);
  if (dueOf(known, date).at > date || pauseOf(known, date, false) !== undefined) return 0;
  const failure = order(index, now, fleet);
  if (failure !== undefined) {
    const changes = afterFailure(known.status, failure, request, date, undefined);
    failing.set(index, { ...known.status, ...changes });
    return 0;
  }
  const end = (issued[index] ?? 0) + plan.lifetime;
  if (end <= now) fleet.expired++;
  if (told !== undefined && now > revokedAt(plan)) fleet.revoked++;
  const current = monthOf(now, fleet);
  current.left = Math.min(current.left, end - now);
  issued[index] = now;
  fleet.knows[index] = 0;
  failing.delete(index);
  await learn(index, now, fleet);
  return 1;
}

/** What the CA says to an order. */
function order(index: number, now: number, fleet: Fleet): Problem | undefined {
  const { outage, failing } = fleet.plan;
  const today = (now - start) / day;
  if (today >= outage[0] && today < outage[1])
    return new Problem("network", { detail: "The CA does not answer.", retryable: true });
  const last = fleet.orders.subarray(index * most, (index + 1) * most);
  if (last[0] !== 0 && (last[0] ?? 0) > now - per) {
    fleet.refused++;
    return new Problem("backoff", { detail: "too many certificates for these names" });
  }
  if (fleet.random() < failing)
    return new Problem("network", { detail: "A connection was lost.", retryable: true });
  last.copyWithin(0, 1);
  last[most - 1] = now;
  return undefined;
}

/** When it hears that it will be revoked: at its next question, which may be hours after the CA knows. */
function toldAt(index: number, { plan, issued }: Fleet): number | undefined {
  const { revocation } = plan;
  const known = start + revocation.day * day;
  if ((issued[index] ?? 0) >= known || shareOf(index) >= revocation.share) return undefined;
  return known + shareOf(index * 7 + 3) * question;
}

const revokedAt = ({ revocation }: Plan) => start + revocation.day * day + revocation.within;

/** The same for the same index, evenly spread between 0 and 1. */
function shareOf(index: number): number {
  return ((Math.imul(index, 2_654_435_761) >>> 0) % 100_003) / 100_003;
}

/** Ask the model for renewal information, by the code that asks a CA. */
async function learn(index: number, now: number, fleet: Fleet): Promise<void> {
  const { plan, issued, selected, knows } = fleet;
  const { left, width } = renewal;
  const middle = (issued[index] ?? 0) + plan.lifetime * (1 - left);
  const half = (plan.lifetime * width) / 2;
  const window =
    knows[index] === 1
      ? { start: new Date(now - hour), end: new Date(now) }
      : { start: new Date(middle - half), end: new Date(middle + half) };
  const answer = { ...window, explanationUrl: undefined, retryAfter: new Date(now + question) };
  const { window: chosen } = await askCa("id", undefined, toolsFor(answer, now), fleet.random);
  selected[index] = Date.parse(chosen?.selected ?? "");
}

type Tools = Parameters<typeof askCa>[2];

function toolsFor(answer: Awaited<ReturnType<Tools["ca"]["renewalInfo"]>>, now: number): Tools {
  const ca: Pick<Tools["ca"], "directory" | "renewalInfo"> = {
    directory: async () => ({ renewalInfo: "https://ca.test/info" }) as never,
    renewalInfo: async () => answer,
  };
  return {
    ca: ca as Tools["ca"],
    clock: { now: () => new Date(now) } as Tools["clock"],
    log: { debug() {}, info() {}, warn() {} },
    signal: never,
  };
}

const never = new AbortController().signal;

const identifiers = [{ type: "dns", value: "www.example.test" }] as const;
const request = {
  name: "www",
  identifiers,
  keyType: "ec256",
  issuer: { server },
} as unknown as CertificateRequest;
const hash = requestHash(request);

/** As the store would return it. */
function certificateOf(index: number, fleet: Fleet): KnownCertificate {
  const { plan, issued, selected, failing } = fleet;
  const begins = issued[index] ?? 0;
  const from = new Date(begins).toISOString();
  const chosen = new Date(selected[index] ?? 0).toISOString();
  const window = { start: chosen, end: chosen, selected: chosen, explanationUrl: undefined };
  const ari = { certificateId: "id", nextCheck: chosen, window };
  const meta = {
    identifiers,
    serial: "1",
    fingerprint: "1",
    issuer: "model",
    notBefore: from,
    notAfter: new Date(begins + plan.lifetime).toISOString(),
    keyType: "ec256",
    directory: server,
    account: "",
    certificateUrl: "",
    orderUrl: "",
    ariId: "id",
    issuedAt: from,
    requestHash: hash,
  } as const;
  const status = { failures: 0, ...failing.get(index), ari };
  return { name: "www", request, held: { version: 1, meta }, status };
}
