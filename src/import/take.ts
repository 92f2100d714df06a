import type { CertificateRequest } from "../certificate.ts";
import type { Clock } from "../clock.ts";
import { stepsOf } from "../deploy/steps.ts";
import type { HeldCertificate, NewVersion, Store, StoredCertificate } from "../state/store.ts";

export interface Taking {
  /** Say what would be done, and do nothing. */
  readonly dryRun: boolean;
  /** Replace what is held from elsewhere. */
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

/** A certificate in acmectl's words: what is wanted, and, unless it is of no more use, what is held. */
export interface Takeable {
  readonly request: CertificateRequest;
  readonly version: NewVersion | undefined;
  /** The id of the account that it was issued by. */
  readonly account: string | undefined;
}

/**
 * Commit the request and the certificate under the certificate's lock. What is held already and did not come from there is
 * refused; what acmectl has renewed since it was taken stays.
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
  if (before === undefined) return { outcome: "taken" };
  const { held } = before;
  const same = isSame(request, before.request);
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

function heldOutcome(
  { meta }: HeldCertificate,
  version: NewVersion | undefined,
  account: string | undefined,
): CertificateOutcome {
  if (meta.fingerprint === version?.meta.fingerprint) return "unchanged";
  const later = version === undefined || meta.notBefore >= version.meta.notBefore;
  return later && meta.account === account ? "renewed since" : "refused";
}

/** Members in any order. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, sorted(one)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The other client has deployed this very certificate: its hooks are not run again for it. */
function alreadyDeployed(request: CertificateRequest, version: number, now: Date) {
  const at = now.toISOString();
  return Object.fromEntries(
    stepsOf(request).map(({ key }) => [key, { version, state: "done" as const, at }]),
  );
}
