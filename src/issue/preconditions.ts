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

/** What does not decide what is issued (solvers, hooks, copies) may have changed. */
export async function rememberChange(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  store: Store,
): Promise<void> {
  if (JSON.stringify(before?.request) !== JSON.stringify(request))
    await store.certificates.saveRequest(request);
}

/** A limit that the CA itself has set holds for --force, too. */
export function refuseByCa(
  { name }: CertificateRequest,
  before: StoredCertificate | undefined,
  now: Date,
): void {
  const until = before === undefined ? undefined : caPauseOf(before.status, now);
  if (until === undefined) return;
  throw new Problem("backoff", {
    detail: `The CA accepts no order for ${name} before ${until.toISOString()}.`,
    hint: `Wait until then: asking earlier may extend the limit. Run \`acmectl status ${name}\` for the CA's own words.`,
    retryAt: until,
  });
}

/** Names of the certificate held that the request leaves out, and those that it adds. */
export function changedNames(
  request: CertificateRequest,
  held: HeldCertificate | undefined,
): { readonly dropped: readonly string[]; readonly added: readonly string[] } {
  const [before, after] = [held?.meta.identifiers ?? [], request.identifiers].map((all) =>
    all.map(({ value }) => value),
  );
  return {
    dropped: before?.filter((name) => after?.includes(name) !== true) ?? [],
    added:
      held === undefined ? [] : (after?.filter((name) => before?.includes(name) !== true) ?? []),
  };
}

/** How the request proves its names in another way than the stored one, in words; undefined when it does not. */
export function changedProof(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
): string | undefined {
  if (before === undefined || proofOf(request) === proofOf(before.request)) return undefined;
  const [now, then] = [request, before.request].map(({ solvers }) =>
    solvers.map(({ name }) => name).join(", "),
  );
  return now === then ? `${now} with other options` : `${now} instead of ${then}`;
}

function proofOf({ solvers, dns, selfCheck, selfCheckAt }: CertificateRequest): string {
  return JSON.stringify([solvers, dns, selfCheck, selfCheckAt]);
}

/** A certificate that no client trusts must not replace one that is in use. */
export function refuseTestOverLive(
  { name, issuer }: CertificateRequest,
  held: HeldCertificate | undefined,
): void {
  if (held === undefined || !isForTesting(issuer.server) || isForTesting(held.meta.directory))
    return;
  throw new Problem("usage", {
    title: "A test certificate would replace a live one",
    detail: `${name} is held from ${held.meta.directory}, and ${issuer.server} is for testing only.`,
    hint: `Use --dry-run, or another --name such as ${name}-test. To remove the live one: acmectl delete ${name}.`,
  });
}

/** Why the certificate held was revoked, if it was. */
export function revokedFor(before: StoredCertificate | undefined): string | undefined {
  const revoked = before?.status.revoked;
  return revoked?.fingerprint === before?.held?.meta.fingerprint ? revoked?.reason : undefined;
}
