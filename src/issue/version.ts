import type { CertificateRequest, VersionMeta } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate, NewVersion } from "../state/store.ts";
import type { OpenAccount } from "../account/open.ts";
import type { Issued, KeyMaterial } from "./finalize.ts";
import { requestHash } from "../request/drift.ts";

/**
 * RFC 9773 §5: the certificate id of the predecessor, where this CA and account issued it for one of these names. It keeps
 * the order out of the CA's limits.
 */
export function replaced(
  request: CertificateRequest,
  predecessor: HeldCertificate | undefined,
  account: OpenAccount,
): string | undefined {
  if (predecessor === undefined) return undefined;
  const { directory, account: issuedBy, identifiers, ariId } = predecessor.meta;
  const shared = identifiers.some(({ value }) =>
    request.identifiers.some((one) => one.value === value),
  );
  return shared && directory === request.issuer.server && issuedBy === account.stored.id
    ? ariId
    : undefined;
}

/** What is committed: the files, and what is known of them. */
export function versionOf(
  request: CertificateRequest,
  key: KeyMaterial,
  account: OpenAccount,
  { order, certificate }: Issued,
  issuedAt: Date,
): NewVersion {
  if (order.certificate === undefined) {
    throw new Problem("protocol", {
      detail: `The order ${order.url} is valid and names no certificate.`,
    });
  }
  const meta: VersionMeta = {
    identifiers: request.identifiers,
    serial: certificate.serial,
    fingerprint: certificate.fingerprint,
    issuer: certificate.issuer,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    keyType: request.csr === undefined ? request.keyType : "csr",
    directory: request.issuer.server,
    account: account.stored.id,
    ...(request.profile === undefined ? {} : { profile: request.profile }),
    ...(request.preferredChain === undefined ? {} : { preferredChain: request.preferredChain }),
    certificateUrl: order.certificate,
    orderUrl: order.url,
    ...(certificate.ariId === undefined ? {} : { ariId: certificate.ariId }),
    issuedAt: issuedAt.toISOString(),
    requestHash: requestHash(request),
  };
  return {
    ...(key.privateKey === undefined ? {} : { privateKey: key.privateKey }),
    certificate: certificate.leaf,
    chain: certificate.chain,
    meta,
  };
}
