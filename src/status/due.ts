import { dateOf } from "../dates.ts";
import { driftOf, requestHash } from "../request/drift.ts";
import { caPauseOf, isAhead } from "../state/pause.ts";
import type { HeldCertificate, StoredCertificate } from "../state/store.ts";
import type { KnownCertificate } from "./certificates.ts";

/** When a certificate is due, and by which rule. All of it offline, from what is stored. */
export interface Due {
  readonly at: Date;
  readonly rule: "missing" | "revoked" | "drift" | "expired" | "ari" | "lifetime" | "emergency";
  /** In words, for `plan`, `status` and the log. */
  readonly reason: string;
}

const hour = 3_600_000;
const day = 24 * hour;

/** When only this part of the lifetime is left, even the CA's renewal information is overruled. */
const emergency = 1 / 20;

/**
 * The CA's own time first (RFC 9773), the lifetime rule otherwise. A CA that would let the certificate expire is overruled when
 * a twentieth of its lifetime is left.
 */
export function dueOf(certificate: KnownCertificate, now: Date): Due {
  const { held, request, changed, status } = certificate;
  if (held === undefined) return { at: now, rule: "missing", reason: "no certificate is held" };
  if (status.revoked?.fingerprint === held.meta.fingerprint) {
    return { at: now, rule: "revoked", reason: `it was revoked on ${dateOf(status.revoked.at)}` };
  }
  const drift = driftOf(request, held) ?? changed;
  if (drift !== undefined) return { at: now, rule: "drift", reason: drift };
  const due = dueByTime(certificate, held, now);
  const earliest = restUntil(certificate, held);
  return earliest !== undefined && due.at < earliest && now < earliest
    ? { ...due, at: earliest }
    : due;
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

function isShort(meta: HeldCertificate["meta"]): boolean {
  return lifetimeOf(meta) < 10 * day;
}

function dueByTime(certificate: StoredCertificate, { meta }: HeldCertificate, now: Date): Due {
  const notAfter = new Date(meta.notAfter);
  if (notAfter <= now)
    return { at: now, rule: "expired", reason: `it expired on ${dateOf(meta.notAfter)}` };
  const last = new Date(notAfter.getTime() - lifetimeOf(meta) * emergency);
  const chosen = selectedTime(certificate);
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
 * Two certificates in quick succession, and the second is due already: a clock that is wrong, or a CA whose window lies in the
 * past for good. Then nothing is renewed by time for a while, so that it costs an order an hour and not one a run.
 */
function restUntil({ status }: StoredCertificate, { meta }: HeldCertificate): Date | undefined {
  const issued = new Date(meta.issuedAt).getTime();
  const before = new Date(status.previousSuccess ?? 0).getTime();
  const rest = Math.min(hour, lifetimeOf(meta) * emergency);
  return issued - before < rest ? new Date(issued + rest) : undefined;
}

function selectedTime({ held, status }: StoredCertificate): Date | undefined {
  const { ari } = status;
  if (ari?.window === undefined || ari.certificateId !== held?.meta.ariId) return undefined;
  return new Date(ari.window.selected);
}

/** Why a certificate that is due is left alone for now, and until when; undefined when it may be tried. */
export interface Pause {
  readonly until: Date;
  readonly reason: "ca" | "backoff" | "permanent";
}

/** `force` clears our own back-off and a permanent failure, but not what a CA has said. */
export function pauseOf(
  { status, request }: StoredCertificate,
  now: Date,
  force: boolean,
): Pause | undefined {
  const said = caPauseOf(status, now);
  if (said !== undefined) return { until: said, reason: "ca" };
  const { retryAt, retryReason } = status;
  const changed = status.failedRequest !== requestHash(request);
  if (retryAt === undefined || status.failures === 0 || force || changed) return undefined;
  const until = new Date(retryAt);
  if (retryReason === "permanent") return { until, reason: "permanent" };
  // A day is the last step of the back-off: a later time was written by a wrong clock.
  return isAhead(until, now, day) ? { until, reason: "backoff" } : undefined;
}
