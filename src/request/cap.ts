import type { CertificateRequest } from "../certificate.ts";
import type { Issuance } from "../state/certificate-status.ts";
import type { Store, StoredCertificate } from "../state/store.ts";
import { namesHash } from "./drift.ts";

/** Of one exact set of names in a week; public CAs refuse the sixth. */
const weeklyCap = 4;
const week = 7 * 24 * 3_600_000;

/**
 * Until when the names are not ordered again, since the CA has issued for them as often as we let it in a week, of use or not;
 * undefined below the cap. Short lifetimes need more. `elsewhere` is what other entries got.
 */
export function capEnd(
  { status, held }: Pick<StoredCertificate, "held"> & { status: { issuances?: Issuances } },
  { identifiers, issuer, issuers = [issuer] }: CertificateRequest,
  now: Date,
  elsewhere: readonly Issuance[] = [],
): Date | undefined {
  const issuances = [...(status.issuances ?? []), ...elsewhere];
  if (issuances.length < weeklyCap) return undefined;
  const names = namesHash(identifiers);
  const lifetime =
    held === undefined ? week : Date.parse(held.meta.notAfter) - Date.parse(held.meta.notBefore);
  const cap = Math.max(weeklyCap, Math.floor((weeklyCap * week) / lifetime));
  const ends = issuances
    .filter((one) => one.names === names && isFrom(one, issuers))
    .map(({ at }) => Date.parse(at) + week)
    // One of the future was written by a wrong clock.
    .filter((end) => end > now.getTime() && end <= now.getTime() + week)
    .toSorted((a, b) => b - a);
  const end = ends[cap - 1];
  return end === undefined ? undefined : new Date(end);
}

type Issuances = readonly Issuance[] | undefined;

function isFrom({ directory }: Issuance, issuers: readonly { readonly server: string }[]): boolean {
  return directory === undefined || issuers.some(({ server }) => server === directory);
}

/** What CAs issued in the last week for the same names by other entries. */
export async function issuedElsewhere(
  request: CertificateRequest,
  { certificates }: Pick<Store, "certificates">,
): Promise<readonly Issuance[]> {
  const read = (await certificates.namesakes(request)).map(async (one) => {
    const stored = await certificates.read(one).catch(() => undefined);
    return stored?.status.issuances ?? [];
  });
  return (await Promise.all(read)).flat();
}
