/** A certificate's lifetime as it is drawn: from issuance to expiry, with now and when it is due. */
import type { KnownCertificate } from "./certificates.ts";
import { conditionsOf, hasFailed } from "./conditions.ts";
import { dueOf } from "./due.ts";
import { hostsOf } from "./hosts.ts";

/** Milliseconds since 1970. */
export interface Lifetime {
  readonly from: number;
  readonly to: number;
  readonly due: number;
  readonly now: number;
  readonly tone: "good" | "warn" | "bad";
}

/** Undefined while nothing is held. */
export function lifetimeOfCertificate(
  certificate: KnownCertificate,
  now: Date,
): Lifetime | undefined {
  const { held } = certificate;
  if (held === undefined) return undefined;
  return {
    from: new Date(held.meta.notBefore).getTime(),
    to: new Date(held.meta.notAfter).getTime(),
    due: dueOf(certificate, now).at.getTime(),
    now: now.getTime(),
    tone: toneOf(certificate, now),
  };
}

/** Bad: it cannot be used, or failed. Warn: it is due, or some host is behind. */
export function toneOf(certificate: KnownCertificate, now: Date): Lifetime["tone"] {
  const ready = conditionsOf(certificate, now).find(({ type }) => type === "Ready");
  const hosts = hostsOf(certificate);
  if (ready?.status !== true || hasFailed(certificate)) return "bad";
  if (hosts.some(({ failed }) => failed.length > 0)) return "bad";
  return dueOf(certificate, now).at <= now || hosts.some((one) => one.behind) ? "warn" : "good";
}
