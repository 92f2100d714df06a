import type { StoredCertificate } from "../store/store.ts";
import { driftOf, requestHash } from "../issue/request.ts";
import { dueAt, isShort } from "./lifetime.ts";

/** When a certificate is due, and by which rule. All of it offline, from what is stored. */
export interface Due {
  readonly at: Date;
  readonly rule: "missing" | "drift" | "expired" | "ari" | "lifetime" | "emergency";
  /** In words, for `plan`, `status` and the log. */
  readonly reason: string;
}

/** What remains when even the CA's wish to wait is overruled: a twentieth of the lifetime. */
const emergency = 20;

/**
 * The CA's own time first (RFC 9773), the lifetime rule otherwise. A CA that would let the certificate run out is overruled
 * when a twentieth of its lifetime is left.
 */
export function dueOf(certificate: StoredCertificate & { changed?: string }, now: Date): Due {
  const { held, request, changed } = certificate;
  if (held === undefined) return { at: now, rule: "missing", reason: "no certificate is held" };
  const [notBefore, notAfter] = [new Date(held.meta.notBefore), new Date(held.meta.notAfter)];
  if (notAfter <= now)
    return { at: now, rule: "expired", reason: `it has expired on ${held.meta.notAfter}` };
  const drift = driftOf(request, held) ?? changed;
  if (drift !== undefined) return { at: now, rule: "drift", reason: drift };
  const last = new Date(
    notAfter.getTime() - (notAfter.getTime() - notBefore.getTime()) / emergency,
  );
  const chosen = selectedTime(certificate);
  if (chosen !== undefined && chosen <= last) {
    return { at: chosen, rule: "ari", reason: "the time chosen in the CA's renewal window (ARI)" };
  }
  if (chosen !== undefined) {
    return {
      at: last,
      rule: "emergency",
      reason: "a twentieth of its lifetime is left, whatever the CA says",
    };
  }
  return {
    at: dueAt(notBefore, notAfter),
    rule: "lifetime",
    reason: `${isShort(notBefore, notAfter) ? "half" : "a third"} of its lifetime is left`,
  };
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
  const { retryAt, retryReason = "backoff" } = status;
  if (retryAt === undefined || status.failures === 0) return undefined;
  const until = new Date(retryAt);
  const changed = status.failedRequest !== requestHash(request);
  if (retryReason === "permanent")
    return force || changed ? undefined : { until, reason: "permanent" };
  if (until <= now) return undefined;
  if (retryReason === "backoff" && (force || changed)) return undefined;
  return { until, reason: retryReason };
}
