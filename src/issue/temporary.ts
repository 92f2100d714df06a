import { X509Certificate } from "node:crypto";
import { access } from "node:fs/promises";
import { createTemporary, temporaryIssuer } from "../acme/certificate/temporary.ts";
import { fingerprintOf } from "../acme/certificate/chain.ts";
import { serialOf } from "../acme/certificate/extensions.ts";
import { createPrivateKey } from "../acme/keys.ts";
import type { CertificateRequest, CopySetting } from "../certificate.ts";
import { copyFiles, type Material } from "../deploy/steps/copy.ts";
import { messageOf } from "../errors.ts";
import { requestHash } from "../request/drift.ts";
import { readKeyFile } from "../request/given-file.ts";
import type { Lock } from "../state/store.ts";
import type { IssueTools } from "./tools.ts";

/**
 * Hold a self-signed certificate until the CA has issued one, unless one is held already. Copies are written where nothing is
 * yet; hooks and other deploy steps wait for the real one. The caller holds the lock.
 */
export async function storeTemporary(
  request: CertificateRequest,
  lock: Lock,
  { store, clock, record }: IssueTools,
): Promise<void> {
  const { name, identifiers, keyType } = request;
  const log = record.log("temporary");
  if (request.csr !== undefined)
    return log.warn("no temporary certificate: the key of the CSR is not here");
  const known = await store.certificates.read(name);
  // A damaged certificate may still be in use.
  const wasIssued = known?.damage !== undefined || known?.status.lastSuccess !== undefined;
  if (known?.held !== undefined || wasIssued) return;
  const privateKey =
    request.privateKey === undefined
      ? await createPrivateKey(keyType)
      : (await readKeyFile(request.privateKey)).pem;
  const certificate = await createTemporary(privateKey, identifiers, clock.now());
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
    issuedAt: clock.now().toISOString(),
    requestHash: requestHash(request),
  };
  await store.certificates.commit(name, { privateKey, certificate, chain: "", meta }, lock);
  log.warn(`${name} has a temporary self-signed certificate until the CA has issued one`);
  const { outputs, hooks } = request;
  const copies = (hooks.deploy ?? []).flatMap((step) => ("copy" in step ? [step.copy] : []));
  for (const copy of [outputs, ...copies]) {
    try {
      await copyWhereMissing(copy, { privateKey, certificate, chain: "" });
    } catch (error) {
      log.warn(`the temporary certificate was not copied: ${messageOf(error)}`);
    }
  }
}

/** What is there may be a real certificate, and a key beside another certificate is of no use: all files or none. */
async function copyWhereMissing(copy: CopySetting, material: Material): Promise<void> {
  const { fullchain, key, cert, chain, combined } = copy;
  const paths = [fullchain, key, cert, chain, combined].filter((path) => path !== undefined);
  const found = await Promise.all(paths.map(exists));
  if (!found.includes(true)) await copyFiles(copy, material);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
