import { X509Certificate } from "node:crypto";
import { signerOf } from "../acme/signer.ts";
import { quotedWord } from "../options/words.ts";
import { Problem } from "../problem.ts";
import type { Store, StoredCertificate } from "../state/store.ts";
import { openStored, type AccountTools } from "./open.ts";

/** The reasons of RFC 5280 §5.3.1 that public CAs take from subscribers. */
export const revocationReasons = [
  "unspecified",
  "keyCompromise",
  "superseded",
  "cessationOfOperation",
] as const;
type RevocationReason = (typeof revocationReasons)[number];
const codes = { unspecified: 0, keyCompromise: 1, superseded: 4, cessationOfOperation: 5 };

/**
 * Revoke the current certificate (RFC 8555 §7.6): as the account that ordered it, or with its own private key (`byKey`).
 * Nothing is deleted. A certificate that is revoked already is a success.
 */
export async function revokeHeld(
  { name, held }: StoredCertificate,
  { reason, byKey }: { reason: RevocationReason; byKey: boolean },
  tools: AccountTools,
): Promise<void> {
  const { ca, store, signal } = tools;
  const files = await store.certificates.readCertificate(name);
  if (held === undefined || files === undefined) {
    throw new Problem("usage", {
      detail: `No certificate is held under the name ${name}, so there is none to revoke.`,
      hint: "Run `acmectl list` to see the certificates.",
    });
  }
  if (held.meta.temporary === true)
    throw new Problem("usage", {
      detail: `The certificate ${name} is temporary and signed by itself, so no CA can revoke it.`,
      hint: `Run \`acmectl renew ${quotedWord(name)}\` to replace it.`,
    });
  const der = new X509Certificate(files.certificate).raw;
  const session = byKey
    ? ca.session(signerOf(await keyOf(name, store)), undefined)
    : await sessionOf(held.meta.directory, held.meta.account, tools);
  await session.revoke({ der, reason: codes[reason] }, signal);
  const { fingerprint } = held.meta;
  const revoked = { fingerprint, reason, at: tools.clock.now().toISOString() };
  await store.certificates.updateStatus(name, (status) => ({ ...status, revoked }));
}

async function keyOf(name: string, store: Store): Promise<string> {
  const key = await store.certificates.readPrivateKey(name);
  if (key !== undefined) return key;
  throw new Problem("usage", {
    detail: `The private key of ${name} is not kept here: it was issued for a certificate signing request.`,
    hint: "Leave --by-key out, so that the account revokes it.",
  });
}

async function sessionOf(directory: string, id: string, tools: AccountTools) {
  const accounts = await tools.store.accounts.ofDirectory(directory);
  const account = accounts.find((one) => one.id === id) ?? accounts[0];
  if (account?.url !== undefined) return (await openStored(account, tools)).session;
  throw new Problem("usage", {
    detail: `The account that ordered this certificate from ${directory} is not kept here.`,
    hint: "Use --by-key: the certificate's own key may revoke it.",
  });
}
