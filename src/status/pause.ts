import type { CertificateStatus } from "../state/store.ts";

/** Milliseconds: no CA is known to ask for more. What lies further ahead was written by a clock that was wrong. */
const longest = 7 * 24 * 3_600_000;

/** Until when the CA wants no order for this certificate; undefined when it has not said so, or the time has passed. */
export function caPauseOf(
  { caRetryAt, retryAt, retryReason }: CertificateStatus,
  now: Date,
): Date | undefined {
  const said = caRetryAt ?? (retryReason === "ca" ? retryAt : undefined);
  const until = said === undefined ? undefined : new Date(said);
  return until !== undefined && isAhead(until, now, longest) ? until : undefined;
}

/** True for a time that is still to come, and not by more than can be. */
export function isAhead(time: Date, now: Date, most: number): boolean {
  return time > now && time.getTime() - now.getTime() <= most;
}
