import { deployStatesOf } from "../deploy/steps.ts";
import { nextWindow } from "../deploy/windows.ts";
import type { StoredCertificate } from "../state/store.ts";

/** What deploy steps that were never tried wait for. */
export interface Waiting {
  /** When the window opens; undefined while one is open. */
  readonly until: Date | undefined;
}

/** Set while steps only wait for a window: none has failed, and no window has passed unused since the certificate was issued. */
export function waitingOf(certificate: StoredCertificate, now: Date): Waiting | undefined {
  const { request, held } = certificate;
  const states = deployStatesOf(certificate).map(({ state }) => state);
  if (held === undefined || (request.windows ?? []).length === 0) return undefined;
  if (states.includes("failed") || !states.includes("pending")) return undefined;
  return missedWindow(certificate, now) ? undefined : { until: deployTimeOf(certificate, now) };
}

/** When steps that are still to be done may run; undefined for now. */
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
