import type { CertificateRequest } from "../certificate.ts";
import type { PendingOrder, Store } from "../store/store.ts";
import { refuseUnknown, wantedCertificates, type WantedCertificate } from "./wanted.ts";

/** A certificate that is wanted or held, with all that is on disk about it. */
export interface KnownCertificate extends WantedCertificate {
  /** An order that no run has ended. */
  readonly pending?: PendingOrder;
}

/** The certificates that the config wants and those that are held, by name; those named alone, where any are. Offline. */
export async function knownCertificates(
  names: readonly string[],
  configured: readonly CertificateRequest[],
  store: Store,
): Promise<readonly KnownCertificate[]> {
  const { certificates, orphans } = await wantedCertificates(configured, store);
  const all = [...certificates, ...orphans].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  refuseUnknown(
    names,
    all.map(({ name }) => name),
    store,
  );
  const asked = names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
  return Promise.all(
    asked.map(async (certificate) => {
      const pending = await store.journal.read(certificate.name);
      return pending === undefined ? certificate : { ...certificate, pending };
    }),
  );
}
