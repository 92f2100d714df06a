/** Forms of a certificate that its CA has only some time after issuance: what is left of them. */
import type { StoredCertificate } from "../state/store.ts";

/** From when on the CA may be asked for more; undefined if nothing is left. */
export function alternatesFrom(certificate: StoredCertificate, now: Date): Date | undefined {
  const { held, status } = certificate;
  if (held === undefined || new Date(held.meta.notAfter) <= now) return undefined;
  if (alternatesLeft(certificate).length === 0) return undefined;
  const isKnown = status.alternates?.fingerprint === held.meta.fingerprint;
  return new Date(isKnown ? (status.alternates?.nextCheck ?? 0) : 0);
}

/** The URLs of those that may still come. */
export function alternatesLeft({ held, status: { alternates } }: StoredCertificate) {
  const all = held?.meta.optionalAlternates ?? [];
  if (alternates?.fingerprint !== held?.meta.fingerprint) return all;
  return all.filter((url) => alternates?.done.includes(url) !== true);
}
