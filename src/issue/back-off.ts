import { isCaProblem } from "../acme/problems.ts";
import type { CertificateRequest } from "../certificate.ts";
import { Problem } from "../problem.ts";
import { limitedHash, requestHash } from "../request/drift.ts";
import type { CertificateStatus } from "../state/certificate-status.ts";

/** After a failure wait 1 min, 10 min, 100 min, then a day, as Let's Encrypt's integration guide asks. Milliseconds. */
const backOff = [1, 10, 100, 1440].map((minutes) => minutes * 60_000);

/** Milliseconds after one more failure. */
export const backOffAfter = (failures: number) =>
  backOff[Math.min(failures, backOff.length - 1)] ?? 0;

/** Exit codes of failures that the CA was not asked about: wrong options, this machine, a lock, a deploy step, a signal. */
const unaskedCodes: ReadonlySet<number> = new Set([2, 3, 8, 9, 129, 130, 143]);

function wasNotAsked(problem: Problem): boolean {
  return unaskedCodes.has(problem.exitCode) || problem.is("dane");
}

/**
 * What the next run has to heed. What the CA was not asked about may be tried again at once; a CA's Retry-After goes before our
 * own back-off; what the CA will never accept waits for another request.
 */
export function afterFailure(
  status: CertificateStatus,
  error: unknown,
  request: CertificateRequest,
  startedAt: Date,
  orderUrl: string | undefined,
): Partial<CertificateStatus> {
  const problem = Problem.is(error) ? error : undefined;
  if (problem && wasNotAsked(problem)) return unasked(status, orderUrl);
  const known = problem && limitKnownHere(problem, request);
  if (known !== undefined) return known;
  const ours = new Date(startedAt.getTime() + backOffAfter(status.failures));
  const failures = status.failures + 1;
  const theirs = problem?.retryAt;
  const said = theirs === undefined ? {} : { caRetryAt: theirs.toISOString() };
  if (theirs !== undefined && theirs > ours) return { failures, ...caPause(theirs) };
  return {
    failures,
    ...said,
    retryAt: ours.toISOString(),
    retryReason: isPermanent(error) ? "permanent" : "backoff",
    failedRequest: requestHash(request),
  };
}

function unasked(
  { retryReason }: CertificateStatus,
  orderUrl: string | undefined,
): Partial<CertificateStatus> {
  // An order was placed, so that what the CA refused before has passed.
  const passed = retryReason === "permanent" && orderUrl !== undefined;
  return passed ? { retryReason: "backoff" } : {};
}

/** A limit for which the CA was not asked: its own, or ours. */
function limitKnownHere(
  problem: Problem,
  request: CertificateRequest,
): Partial<CertificateStatus> | undefined {
  const { retryAt, fromCa, document } = problem;
  if (problem.is("limit") && retryAt !== undefined)
    return {
      retryAt: retryAt.toISOString(),
      retryReason: "limit",
      failedRequest: limitedHash(request),
    };
  if (!problem.is("backoff") || document.status !== undefined || retryAt === undefined)
    return undefined;
  if (fromCa) return caPause(retryAt);
  const failedRequest = requestHash(request);
  return { retryAt: retryAt.toISOString(), retryReason: "cap", failedRequest };
}

function caPause(until: Date): Partial<CertificateStatus> {
  const time = until.toISOString();
  return { caRetryAt: time, retryAt: time, retryReason: "ca" };
}

/**
 * What stays refused until the request or the DNS changes. New terms of service are agreed to on the CA's website: the back-off
 * goes on, so that a message a day says so until that is done.
 */
function isPermanent(error: unknown): boolean {
  return (
    Problem.is(error) &&
    !error.retryable &&
    (error.exitCode === 5 || error.exitCode === 7) &&
    !isCaProblem(error, "userActionRequired")
  );
}
