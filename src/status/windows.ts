import { deployStatesOf } from "../deploy/steps.ts";
import { nextWindow } from "../deploy/windows.ts";
import type { StoredCertificate } from "../state/store.ts";

/** What deploy steps that were never tried wait for. */
export interface Waiting {
  /** When the window opens; absent while one is open. */
  readonly until?: Date;
}

/**
 * Set while nothing is wrong but that a window of the request has to come: no step has failed, and since the certificate was
 * issued no window has gone by unused.
 */
export function waitingOf(certificate: StoredCertificate, now: Date): Waiting | undefined {
  const { request, held } = certificate;
  const { windows = [] } = request;
  const states = deployStatesOf(certificate).map(({ state }) => state);
  if (held === undefined || windows.length === 0) return undefined;
  if (states.includes("failed") || !states.includes("pending")) return undefined;
  if (missedWindow(certificate, now)) return undefined;
  const until = nextWindow(windows, held.meta, now);
  return until === undefined ? {} : { until };
}

/** When what was not deployed may be; undefined for now. */
export function deployTimeOf({ request, held }: StoredCertificate, now: Date): Date | undefined {
  return held === undefined ? undefined : nextWindow(request.windows ?? [], held.meta, now);
}

/** One that was open when the certificate was issued counts from there. */
function missedWindow({ request, held }: StoredCertificate, now: Date): boolean {
  if (held === undefined) return false;
  const issued = new Date(held.meta.issuedAt);
  return (request.windows ?? []).some((window) => {
    const opened = nextWindow([window], held.meta, issued) ?? issued;
    return opened.getTime() + window.duration <= now.getTime();
  });
}
