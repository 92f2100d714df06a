import type { CertificateRequest } from "../certificate.ts";
import type { PendingOrder, Store } from "../state/store.ts";
import {
  orBroken,
  refuseUnknown,
  wantedCertificates,
  type BrokenCertificate,
  type WantedCertificate,
} from "./wanted.ts";

/** A certificate that is wanted or held, with all that is on disk about it. */
export interface KnownCertificate extends WantedCertificate {
  /** An order that no run has ended. */
  readonly pending?: PendingOrder;
}

/** What there is to tell: the certificates that can be read, and those that cannot. */
export interface Known {
  readonly certificates: readonly KnownCertificate[];
  readonly broken: readonly BrokenCertificate[];
}

/** The certificates that the config wants and those that are held, by name; those named alone, where any are. Offline. */
export async function knownCertificates(
  names: readonly string[],
  configured: readonly CertificateRequest[],
  store: Store,
): Promise<Known> {
  const { certificates, orphans, broken } = await wantedCertificates(configured, store);
  const all = [...certificates, ...orphans, ...broken].toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  refuseUnknown(
    names,
    all.map(({ name }) => name),
    store,
  );
  const asked = names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
  const known = await Promise.all(
    asked.map(async (one) => ("problem" in one ? one : withPending(one, store))),
  );
  return {
    certificates: known.flatMap((one) => ("problem" in one ? [] : [one])),
    broken: known.flatMap((one) => ("problem" in one ? [one] : [])),
  };
}

/** A journal that cannot be read is as bad as a record: no run goes on from there. */
async function withPending(
  certificate: WantedCertificate,
  store: Store,
): Promise<KnownCertificate | BrokenCertificate> {
  const { name } = certificate;
  return orBroken(name, async () => {
    const pending = await store.journal.read(name);
    return pending === undefined ? certificate : { ...certificate, pending };
  });
}
