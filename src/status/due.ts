import { dateOf, durationOf } from "../dates.ts";
import { endOfOpen } from "../deploy/windows.ts";
import { capEnd } from "../request/cap.ts";
import { driftOf, limitedHash, requestHash, revokedFor } from "../request/drift.ts";
import { caPauseOf, isAhead } from "../state/pause.ts";
import type { HeldCertificate, StoredCertificate } from "../state/store.ts";
import type { KnownCertificate } from "./certificates.ts";
import { renewalsOf, renewalWindow, type KnownRenewal } from "./renewal-information.ts";

/** When a certificate is due, and by which rule. All of it offline, from what is stored. */
export interface Due {
  readonly at: Date;
  readonly rule:
    | "missing"
    | "temporary"
    | "damaged"
    | "revoked"
    | "drift"
    | "expired"
    | "ari"
    | "lifetime"
    | "emergency";
  /** In words, for `plan`, `status` and the log. */
  readonly reason: string;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** When only this part of the lifetime is left, even the CA's renewal information is overruled. */
const emergency = 1 / 20;
/** No schedule makes a certificate due by time in this part of its lifetime, unless it would expire otherwise. */
const youth = 2 / 5;

/**
 * The CA's own time first (RFC 9773), the lifetime rule otherwise. A CA that would let the certificate expire is overruled when
 * a twentieth of its lifetime is left. What falls due before the next run is due now: `every` is the schedule's interval in
 * milliseconds, 0 without one.
 */
export function dueOf(certificate: KnownCertificate, now: Date, every = 0): Due {
  const { held, damage, request, changed, status } = certificate;
  if (damage !== undefined) return { at: now, rule: "damaged", reason: damage };
  if (held === undefined)
    return { at: now, rule: "missing", reason: "no certificate was issued yet" };
  if (status.revoked?.fingerprint === held.meta.fingerprint) {
    return { at: now, rule: "revoked", reason: `it was revoked on ${dateOf(status.revoked.at)}` };
  }
  const drift = driftOf(request, held) ?? changed;
  if (held.meta.temporary === true && drift !== undefined)
    return { at: now, rule: "temporary", reason: drift };
  if (drift !== undefined) return { at: now, rule: "drift", reason: drift };
  const byTime = renewalsOf(certificate).map((one) => dueByTime(one, now));
  const first = byTime.reduce((one, other) => (other.at < one.at ? other : one));
  const due = beforeNextRun(first, held, every, now);
  const rested = restUntil(certificate, held, now);
  const rest = due.at < rested && now < rested ? { ...due, at: rested } : due;
  return afterFreeze(rest, certificate, held, now);
}

/** A freeze ends early for what is about to expire, and for what the CA wants replaced and explains. */
function afterFreeze(
  due: Due,
  certificate: StoredCertificate,
  { meta }: HeldCertificate,
  now: Date,
): Due {
  const { freeze = [] } = certificate.request;
  if (freeze.length === 0 || due.rule === "emergency") return due;
  const isExplained =
    due.rule === "ari" && renewalWindow(certificate)?.explanationUrl !== undefined;
  const from = due.at > now ? due.at : now;
  const last = lastMoment(meta);
  const end = isExplained ? undefined : endOfAll(freeze, from, last);
  if (end === undefined || last <= from) return due;
  return { ...due, at: end < last ? end : last, reason: `${due.reason}; frozen until then` };
}

/** When none of the windows is open any more: one may open before another ends. A hundred of them are followed. */
function endOfAll(
  freeze: NonNullable<StoredCertificate["request"]["freeze"]>,
  from: Date,
  last: Date,
): Date | undefined {
  let end = endOfOpen(freeze, from);
  for (let count = 0; end !== undefined && end < last && count < 100; count++) {
    const next = endOfOpen(freeze, end);
    if (next === undefined) return end;
    end = next;
  }
  return end;
}

/** From here on a twentieth of the lifetime is left. */
function lastMoment(meta: HeldCertificate["meta"]): Date {
  return new Date(new Date(meta.notAfter).getTime() - lifetimeOf(meta) * emergency);
}

/** RFC 9773 §4.2: if the time is before the next time the client would wake up, renew immediately. */
function beforeNextRun(due: Due, { meta }: HeldCertificate, every: number, now: Date): Due {
  if (every === 0 || due.at <= now) return due;
  const [end, lifetime] = [new Date(meta.notAfter).getTime(), lifetimeOf(meta)];
  const ahead = due.at.getTime() - every;
  const grown = end - lifetime * (1 - youth);
  // With so rare a schedule, one failed run would let it expire.
  const isRare = grown + 2 * every > end - lifetime * emergency;
  const at = new Date(isRare ? ahead : Math.min(due.at.getTime(), Math.max(ahead, grown)));
  const reason = `${due.reason} (before the next run, in ${durationOf(every)})`;
  return at <= now ? { ...due, at, reason } : { ...due, at };
}

/** By the lifetime alone: when a third of it is left, or half where it lasts less than ten days. */
export function dueByLifetime(meta: HeldCertificate["meta"]): Date {
  const left = lifetimeOf(meta) * (isShort(meta) ? 1 / 2 : 1 / 3);
  return new Date(Math.floor((new Date(meta.notAfter).getTime() - left) / 1000) * 1000);
}

/** In milliseconds. */
export function lifetimeOf({ notBefore, notAfter }: HeldCertificate["meta"]): number {
  return new Date(notAfter).getTime() - new Date(notBefore).getTime();
}

/** The one with the shorter lifetime. */
export function shorter(
  one: HeldCertificate | undefined,
  other: HeldCertificate | undefined,
): HeldCertificate | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return lifetimeOf(one.meta) <= lifetimeOf(other.meta) ? one : other;
}

/** True for a certificate that the usual schedule may be too rare for. */
export function isShortLived({ meta }: HeldCertificate): boolean {
  return lifetimeOf(meta) < 2 * day;
}

function isShort(meta: HeldCertificate["meta"]): boolean {
  return lifetimeOf(meta) < 10 * day;
}

function dueByTime({ meta, ari }: KnownRenewal, now: Date): Due {
  const notAfter = new Date(meta.notAfter);
  if (notAfter <= now)
    return { at: now, rule: "expired", reason: `it expired on ${dateOf(meta.notAfter)}` };
  const last = lastMoment(meta);
  const chosen = ari?.window && new Date(ari.window.selected);
  if (chosen !== undefined && chosen <= last) {
    return { at: chosen, rule: "ari", reason: "the time chosen in the CA's renewal window (ARI)" };
  }
  if (chosen !== undefined) {
    const reason = "a twentieth of its lifetime is left, whatever the CA says";
    return { at: last, rule: "emergency", reason };
  }
  const reason = `${isShort(meta) ? "half" : "a third"} of its lifetime is left`;
  return { at: dueByLifetime(meta), rule: "lifetime", reason };
}

/**
 * A certificate that was just issued is never due by time, whatever its renewal information and dates say. If its predecessor
 * was replaced early as well, a clock is wrong, or the CA's window always lies in the past: then fewer than five are ordered a
 * week (the limit of Let's Encrypt for one set of names).
 */
function restUntil({ status }: StoredCertificate, { meta }: HeldCertificate, now: Date): Date {
  const issued = new Date(meta.issuedAt).getTime();
  // Issued by a clock that was set back since.
  if (issued > now.getTime()) return new Date(0);
  const short = Math.min(hour, Math.max(minute, lifetimeOf(meta) * emergency));
  const long = Math.max(short, Math.min(3 * day, lifetimeOf(meta) * youth));
  const before = new Date(status.previousSuccess ?? 0).getTime();
  return new Date(issued + (issued - before < (long * 4) / 3 ? long : short));
}

/** Why a certificate that is due is left alone for now, and until when; undefined when it may be tried. */
export interface Pause {
  readonly until: Date;
  readonly reason: "ca" | "backoff" | "permanent" | "cap" | "limit" | "off";
}

/** True if no time ends it, only a person. */
export function hasNoEnd({ reason }: Pause): boolean {
  return reason === "permanent" || reason === "off";
}

/** `force` clears what is ours: back-off, cap, a permanent failure and `renew: off`, but not a time that the CA set. */
export function pauseOf(
  certificate: StoredCertificate,
  now: Date,
  force: boolean,
): Pause | undefined {
  const { status, request } = certificate;
  const byCa = caPauseOf(status, now);
  if (byCa !== undefined) return { until: byCa, reason: "ca" };
  if (force) return undefined;
  const off = offOf(certificate);
  if (off !== undefined) return off;
  const capped = capEnd(certificate, request, now);
  if (capped !== undefined) return { until: capped, reason: "cap" };
  return noted(certificate, now) ?? backOffOf(certificate, now);
}

/** With `renew: off` what is held stays, unless it was revoked or something else was asked for. */
export function offOf(certificate: StoredCertificate): Pause | undefined {
  const { request, held } = certificate;
  if (request.renew !== false || held === undefined) return undefined;
  if (driftOf(request, held) !== undefined || revokedFor(certificate) !== undefined)
    return undefined;
  return { until: new Date(held.meta.notAfter), reason: "off" };
}

/** As the last run found it, by what other entries got for the same names, or by what is left of the CA's limits. */
function noted({ status, request }: StoredCertificate, now: Date): Pause | undefined {
  const { retryAt, retryReason: reason, failedRequest } = status;
  if ((reason !== "cap" && reason !== "limit") || retryAt === undefined) return undefined;
  const until = new Date(retryAt);
  const hash = reason === "cap" ? requestHash(request) : limitedHash(request);
  return failedRequest === hash && isAhead(until, now, 7 * day) ? { until, reason } : undefined;
}

function backOffOf({ status, request, held }: StoredCertificate, now: Date): Pause | undefined {
  const { retryAt, retryReason, lastAttempt } = status;
  if (retryAt === undefined || retryReason === "cap" || status.failures === 0) return undefined;
  // The request has changed since.
  if (status.failedRequest !== requestHash(request)) return undefined;
  if (retryReason === "permanent") return { until: new Date(retryAt), reason: "permanent" };
  // A back-off of a day would outlast a short certificate.
  const longest = held === undefined ? day : Math.min(day, lifetimeOf(held.meta) / 8);
  const started = new Date(lastAttempt?.startedAt ?? now).getTime();
  const until = new Date(Math.min(new Date(retryAt).getTime(), started + longest));
  // A day is the last step of the back-off: a later time was written by a wrong clock.
  return isAhead(until, now, day) ? { until, reason: "backoff" } : undefined;
}
