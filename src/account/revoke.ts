import { X509Certificate } from "node:crypto";
import type { AccountSession } from "../acme/acme.ts";
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
 * Revoke the current certificate (RFC 8555 §7.6), and that for its second key: as the account that ordered it, or each with its
 * own private key (`byKey`). Nothing is deleted. A certificate that is revoked already is a success.
 */
export async function revokeHeld(
  { name, held }: StoredCertificate,
  { reason, byKey }: { reason: RevocationReason; byKey: boolean },
  tools: AccountTools,
): Promise<void> {
  const { store, clock } = tools;
  if (held === undefined) {
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
  const { fingerprint, directory, account, second } = held.meta;
  const session = byKey ? undefined : await sessionOf(directory, account, tools);
  await revokeOne(name, undefined, session, codes[reason], tools);
  // If the other one cannot be revoked now, both are replaced by the next renewal anyway.
  const revoked = { fingerprint, reason, at: clock.now().toISOString() };
  await store.certificates.updateStatus(name, (status) => ({ ...status, revoked }));
  if (second === undefined) return;
  try {
    await revokeOne(name, second.keyType, session, codes[reason], tools);
  } catch (error) {
    if (!Problem.is(error)) throw error;
    throw error.with({
      detail: `The ${held.meta.keyType} certificate of ${name} is revoked, but not the ${second.keyType} one: ${error.message}`,
      hint: "Run the command again before the next renewal.",
    });
  }
}

/** `second` is the type of the second key, for its certificate. */
async function revokeOne(
  name: string,
  second: string | undefined,
  account: AccountSession | undefined,
  reason: number,
  { ca, store, signal }: AccountTools,
): Promise<void> {
  const files = await store.certificates.readCertificate(name, second);
  if (files === undefined)
    throw new Problem("machine", { detail: `A certificate file of ${name} is missing.` });
  const session = account ?? ca.session(signerOf(await keyOf(name, second, store)), undefined);
  await session.revoke({ der: new X509Certificate(files.certificate).raw, reason }, signal);
}

async function keyOf(name: string, second: string | undefined, store: Store): Promise<string> {
  const key = await store.certificates.readPrivateKey(name, second);
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
