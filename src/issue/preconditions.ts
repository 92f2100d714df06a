import { isForTesting } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate, Store, StoredCertificate } from "../state/store.ts";
import { caPauseOf } from "../state/pause.ts";
import { driftOf, isExpired } from "../request/drift.ts";
import type { IssueTools } from "./tools.ts";

/** What is held and need not be replaced. */
export function goodCertificate(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  isWanted: ((certificate: StoredCertificate) => boolean) | undefined,
  { clock }: IssueTools,
): HeldCertificate | undefined {
  const held = before?.held;
  if (before === undefined || held === undefined) return undefined;
  if (driftOf(request, held) !== undefined || isExpired(held, clock.now())) return undefined;
  if (revokedFor(before) !== undefined) return undefined;
  return isWanted?.(before) === true ? undefined : held;
}

/** What does not decide what is issued (solvers, hooks, copies) may have changed all the same. */
export async function rememberChange(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  store: Store,
): Promise<void> {
  if (JSON.stringify(before?.request) !== JSON.stringify(request))
    await store.certificates.saveRequest(request);
}

/** Not before the CA has said so, whoever asks. */
export function refuseByCa(
  { name }: CertificateRequest,
  before: StoredCertificate | undefined,
  now: Date,
): void {
  const until = before === undefined ? undefined : caPauseOf(before.status, now);
  if (until === undefined) return;
  throw new Problem("backoff", {
    detail: `The CA wants no order for ${name} before ${until.toISOString()}.`,
    hint: "It counts what it is asked: asking earlier makes it longer. acmectl status tells its words.",
    retryAt: until,
  });
}

/** A certificate that nobody trusts is no successor of one that is in use. */
export function refuseTestOverLive(
  { name, issuer }: CertificateRequest,
  held: HeldCertificate | undefined,
): void {
  if (held === undefined || !isForTesting(issuer.server) || isForTesting(held.meta.directory))
    return;
  throw new Problem("usage", {
    title: "A test certificate would replace a live one",
    detail: `${name} is held from ${held.meta.directory}, and ${issuer.server} is for trying only.`,
    hint: `Use --dry-run, or another --name such as ${name}-test; acmectl delete ${name} forgets the live one.`,
  });
}

/** Why the certificate held was revoked, if it was. */
export function revokedFor(before: StoredCertificate | undefined): string | undefined {
  const revoked = before?.status.revoked;
  return revoked?.fingerprint === before?.held?.meta.fingerprint ? revoked?.reason : undefined;
}
