import type { VersionMeta } from "../certificate.ts";
import type { AriStatus } from "../state/certificate-status.ts";
import type { StoredCertificate } from "../state/store.ts";

/** A certificate held, and what its CA said about its renewal (RFC 9773). */
export interface KnownRenewal {
  readonly meta: VersionMeta;
  readonly ari: AriStatus | undefined;
}

/** Of the certificate held, and of the one for its second key. */
export function renewalsOf({ held, status: { ari } }: StoredCertificate): readonly KnownRenewal[] {
  const answers = [ari, ari?.second];
  return [held?.meta, held?.meta.second].flatMap((meta) => {
    if (meta === undefined) return [];
    return [{ meta, ari: answers.find((one) => one && one.certificateId === meta.ariId) }];
  });
}

/** The window of which the chosen time comes first. */
export function renewalWindow(certificate: StoredCertificate): AriStatus["window"] {
  const windows = renewalsOf(certificate).flatMap(({ ari }) => ari?.window ?? []);
  const [first] = windows.toSorted((a, b) => Date.parse(a.selected) - Date.parse(b.selected));
  return first;
}

/** From when on the CA is asked again, 1970 if it never was; undefined if it cannot be asked about what is held. */
export function nextQuestion(certificate: StoredCertificate): Date | undefined {
  const times = renewalsOf(certificate)
    .filter(({ meta }) => meta.ariId !== undefined)
    .map(({ ari }) => Date.parse(ari?.nextCheck ?? "") || 0);
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}
