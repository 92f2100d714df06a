import type { CertificateRequest, SolverSetting, VersionMeta } from "../certificate.ts";
import { requestHash } from "../request/drift.ts";
import type { NewVersion } from "../state/store.ts";
import type { FoundCertificate } from "./found.ts";
import type { Material } from "./material.ts";

export interface IssuerExtras {
  /** True for an imported account, whose owner has agreed; without one, no account is registered unasked. */
  readonly agreeTos: boolean;
  readonly email?: string | undefined;
  readonly caBundle?: string | undefined;
}

/** The request that makes `renew` go on where the other client stopped. Its names are those of the certificate. */
export function requestOf(
  found: FoundCertificate,
  material: Material,
  solvers: readonly SolverSetting[],
  { agreeTos, email, caBundle }: IssuerExtras,
): CertificateRequest {
  return {
    name: found.name,
    identifiers: material.identifiers,
    keyType: found.keyType ?? material.keyType,
    reuseKey: false,
    issuer: {
      server: found.directory,
      agreeTos,
      email,
      caBundle,
    },
    solvers,
    labels: {},
    outputs: {},
    hooks: {},
    ...found.settings,
  };
}

/** The certificate as a version of ours; undefined when it is of no more use. */
export function versionOf(
  found: FoundCertificate,
  material: Material,
  request: CertificateRequest,
): NewVersion | undefined {
  const { certificate, privateKey, keyType } = material;
  if (certificate === undefined) return undefined;
  const meta: VersionMeta = {
    identifiers: certificate.identifiers,
    serial: certificate.serial,
    fingerprint: certificate.fingerprint,
    issuer: certificate.issuer,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    keyType,
    directory: found.directory,
    account: found.account ?? "",
    profile: request.profile,
    preferredChain: request.preferredChain,
    certificateUrl: found.certificateUrl ?? "",
    orderUrl: found.orderUrl ?? "",
    ariId: certificate.ariId,
    issuedAt: certificate.notBefore.toISOString(),
    requestHash: requestHash(request),
  };
  return { privateKey, certificate: certificate.leaf, chain: certificate.chain, meta };
}
