import type { CertificateRequest } from "../certificate.ts";
import type { StoredCertificate } from "../state/store.ts";
import { namesHash } from "./drift.ts";

/** Of one exact set of names in a week; public CAs refuse the sixth. */
const weeklyCap = 4;
const week = 7 * 24 * 3_600_000;

/**
 * Until when the names are not ordered again, since the CA has issued for them as often as we let it in a week, of use or not;
 * undefined below the cap. Short lifetimes need more.
 */
export function capEnd(
  { status, held }: StoredCertificate,
  { identifiers }: CertificateRequest,
  now: Date,
): Date | undefined {
  const { issuances = [] } = status;
  if (issuances.length < weeklyCap) return undefined;
  const names = namesHash(identifiers);
  const lifetime =
    held === undefined ? week : Date.parse(held.meta.notAfter) - Date.parse(held.meta.notBefore);
  const cap = Math.max(weeklyCap, Math.floor((weeklyCap * week) / lifetime));
  const ends = issuances
    .filter((one) => one.names === names)
    .map(({ at }) => Date.parse(at) + week)
    // One of the future was written by a wrong clock.
    .filter((end) => end > now.getTime() && end <= now.getTime() + week)
    .toSorted((a, b) => b - a);
  const end = ends[cap - 1];
  return end === undefined ? undefined : new Date(end);
}
