import { X509Certificate } from "node:crypto";
import { createTemporary, temporaryIssuer } from "../acme/certificate/temporary.ts";
import { fingerprintOf } from "../acme/certificate/chain.ts";
import { serialOf } from "../acme/certificate/extensions.ts";
import { createPrivateKey } from "../acme/keys.ts";
import type { CertificateRequest, KeyType } from "../certificate.ts";
import { isExpired, namesOf, requestHash } from "../request/drift.ts";
import { readKeyFile } from "../request/given-file.ts";
import type { HeldCertificate, Lock, NewVersion } from "../state/store.ts";
import type { IssueTools } from "./tools.ts";

/**
 * Hold a self-signed certificate until the CA has issued one, and put it where servers read it. Called where no real one is
 * held; the caller holds the lock.
 */
export async function storeTemporary(
  request: CertificateRequest,
  lock: Lock,
  { store, clock, record, around }: IssueTools,
): Promise<void> {
  const { name } = request;
  const log = record.log("temporary");
  if (request.csr !== undefined)
    return log.warn("no temporary certificate: the key of the CSR is not here");
  const known = await store.certificates.read(name);
  // A damaged certificate may still be in use.
  if (known?.damage !== undefined || known?.status.lastSuccess !== undefined) return;
  if (!isFitting(known?.held, request, clock.now())) {
    await store.certificates.commit(name, await versionFor(request, store, clock.now()), lock);
    log.warn(`${name} has a temporary self-signed certificate until the CA has issued one`);
  }
  await around.temporary(request);
}

function isFitting(
  held: HeldCertificate | undefined,
  { identifiers, keyType, secondKeyType }: CertificateRequest,
  now: Date,
): boolean {
  if (held === undefined || isExpired(held, now)) return false;
  const { meta } = held;
  const isOfTypes = meta.keyType === keyType && meta.second?.keyType === secondKeyType;
  return isOfTypes && namesOf(meta.identifiers) === namesOf(identifiers);
}

async function versionFor(
  request: CertificateRequest,
  store: IssueTools["store"],
  now: Date,
): Promise<NewVersion> {
  const first = await madeFor(request, request.keyType, store, now);
  if (request.secondKeyType === undefined) return first;
  const { meta, ...second } = await madeFor(request, request.secondKeyType, store, now);
  return { ...first, second, meta: { ...first.meta, second: meta } };
}

async function madeFor(
  request: CertificateRequest,
  keyType: KeyType,
  store: IssueTools["store"],
  now: Date,
) {
  const { identifiers } = request;
  const privateKey = await keyFor(request, keyType, store);
  const certificate = await createTemporary(privateKey, identifiers, now);
  const leaf = new X509Certificate(certificate);
  const meta = {
    temporary: true as const,
    identifiers,
    serial: serialOf(leaf),
    fingerprint: fingerprintOf(leaf),
    issuer: temporaryIssuer,
    notBefore: new Date(leaf.validFrom).toISOString(),
    notAfter: new Date(leaf.validTo).toISOString(),
    keyType,
    directory: request.issuer.server,
    account: "",
    certificateUrl: "",
    orderUrl: "",
    issuedAt: now.toISOString(),
    requestHash: requestHash(request),
  };
  // It is its own issuer, and servers do not start with an empty file of issuers.
  return { privateKey, certificate, chain: certificate, meta };
}

/** With DANE, the key whose TLSA records are about to be published: clients then accept the temporary certificate as well. */
async function keyFor(
  request: CertificateRequest,
  keyType: KeyType,
  store: IssueTools["store"],
): Promise<string> {
  if (request.privateKey !== undefined) return (await readKeyFile(request.privateKey)).pem;
  if (request.dane !== undefined) {
    const { nextKey } = await import("./dane/keys.ts");
    const ahead = await nextKey(request, keyType, store);
    if (ahead !== undefined) return ahead;
  }
  return createPrivateKey(keyType);
}
