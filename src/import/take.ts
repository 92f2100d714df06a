import { isDeepStrictEqual } from "node:util";
import type { CertificateRequest, SolverSetting, VersionMeta } from "../certificate.ts";
import type { Clock } from "../clock.ts";
import { stepsOf } from "../deploy/steps.ts";
import { requestHash } from "../request/drift.ts";
import type { HeldCertificate, NewVersion, Store, StoredCertificate } from "../state/store.ts";
import type { FoundCertificate } from "./found.ts";
import type { Material } from "./material.ts";

export interface Taking {
  readonly dryRun: boolean;
  /** Replace a certificate of that name from elsewhere. */
  readonly force: boolean;
}
export interface TakeTools {
  readonly store: Store;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** For locks, in milliseconds. */
  readonly wait: number;
}

export type CertificateOutcome = "taken" | "updated" | "unchanged" | "renewed since" | "refused";
export interface TakenCertificate {
  readonly outcome: CertificateOutcome;
  readonly held?: HeldCertificate | undefined;
}

/** A certificate as acmectl keeps it: the request, and the version unless it is unusable. */
export interface Takeable {
  readonly request: CertificateRequest;
  readonly version: NewVersion | undefined;
  /** The id of the account that it was issued by. */
  readonly account: string | undefined;
}

/**
 * Commits the request and the certificate under the certificate's lock. A certificate of that name from elsewhere is refused;
 * one that acmectl has renewed since the last import stays.
 */
export async function takeCertificate(
  takeable: Takeable,
  taking: Taking,
  { store, clock, signal, wait }: TakeTools,
): Promise<TakenCertificate> {
  const { request, version } = takeable;
  const { name } = request;
  if (taking.dryRun) return judged(takeable, await store.certificates.read(name), taking);
  const lock = await store.lock(`certificate:${name}`, { wait, signal });
  try {
    const judgement = judged(takeable, await store.certificates.read(name), taking);
    if (judgement.outcome !== "taken" && judgement.outcome !== "updated") return judgement;
    await store.certificates.saveRequest(request);
    const { held } = judgement;
    if (version === undefined || held?.meta.fingerprint === version.meta.fingerprint) {
      return judgement;
    }
    const now = await store.certificates.commit(name, version, lock);
    await store.certificates.updateStatus(name, (status) => ({
      ...status,
      lastSuccess: version.meta.issuedAt,
      deploy: alreadyDeployed(request, now.version, clock.now()),
    }));
    return { outcome: judgement.outcome, held: now };
  } finally {
    await lock.release();
  }
}

function judged(
  { request, version, account }: Takeable,
  before: StoredCertificate | undefined,
  { force }: Taking,
): TakenCertificate {
  if (before === undefined || isTemporary(before)) return { outcome: "taken" };
  const { held } = before;
  const same = isDeepStrictEqual(plain(request), plain(before.request));
  if (held === undefined) {
    if (same) return { outcome: version === undefined ? "unchanged" : "taken" };
    return { outcome: force ? "updated" : "refused" };
  }
  const outcome = heldOutcome(held, version, account);
  if (outcome === "unchanged" && same) return { outcome, held };
  // Imported before without a solver; now there may be one.
  const answered = outcome === "unchanged" && before.request.solvers.length === 0;
  return { outcome: force || answered ? "updated" : outcome, held };
}

const isTemporary = ({ held }: StoredCertificate) => held?.meta.temporary === true;

function heldOutcome(
  { meta }: HeldCertificate,
  version: NewVersion | undefined,
  account: string | undefined,
): CertificateOutcome {
  if (meta.fingerprint === version?.meta.fingerprint) return "unchanged";
  const later = version === undefined || meta.notBefore >= version.meta.notBefore;
  return later && meta.account === account ? "renewed since" : "refused";
}

/** The other client has deployed this very certificate: its hooks are not run again for it. */
function alreadyDeployed(request: CertificateRequest, version: number, now: Date) {
  const at = now.toISOString();
  return Object.fromEntries(
    stepsOf(request).map(({ key }) => [key, { version, state: "done" as const, at }]),
  );
}

/** As it is stored, without members that are undefined. */
function plain(request: CertificateRequest): unknown {
  return JSON.parse(JSON.stringify(request));
}

export interface IssuerExtras {
  /** True for an imported account, whose owner has agreed; without one, no account is registered unasked. */
  readonly agreeTos: boolean;
  readonly email?: string | undefined;
  readonly caBundle?: string | undefined;
}

/** The request by which `renew` continues where the other client stopped. Its names are those of the certificate. */
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
    issuer: { server: found.directory, agreeTos, email, caBundle },
    solvers,
    labels: {},
    outputs: {},
    hooks: {},
    ...found.settings,
  };
}

/** The certificate as a version of ours; undefined when it is unusable. */
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
