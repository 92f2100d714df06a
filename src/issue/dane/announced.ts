import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import type { Store, StoredCertificate } from "../../state/store.ts";

/** Clients that look at TLSA records would turn away a server whose key has none. */
export async function assertAnnounced(
  certificate: StoredCertificate,
  store: Pick<Store, "certificates">,
): Promise<void> {
  if (certificate.request.dane === undefined) return;
  const { unannouncedAt } = await import("./keys.ts");
  const places = await unannouncedAt(certificate, store);
  if (places.length === 0) return;
  const { name } = certificate;
  throw new Problem("deploy", {
    title: "The key has no TLSA records",
    detail: `The TLSA records at ${places.join(", ")} are not for the key of ${name}, so clients would not trust a server that uses it.`,
    hint: `Run \`acmectl renew ${quotedWord(name)}\`: it publishes the records first, then deploys.`,
  });
}
