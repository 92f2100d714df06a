import { largestSkew } from "../skew.ts";
import { dateOf } from "../dates.ts";
import { deployStatesOf, stepsOf } from "../deploy/steps.ts";
import { driftOf } from "../request/drift.ts";
import { isInProgress, type KnownCertificate } from "./certificates.ts";
import { dueOf, pauseOf, type Pause } from "./due.ts";
import { behindText } from "./hosts.ts";
import { openingOf } from "../deploy/windows.ts";
import { deployTimeOf, waitingOf } from "./windows.ts";

/** One aspect of a certificate, as in Kubernetes: true or false, a word for machines and a sentence for people. */
export interface Condition {
  readonly type: "Ready" | "Issuing" | "BackingOff" | "Deployed";
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

/** Ready, Issuing, BackingOff and Deployed, in this order. All of it from what is stored. */
export function conditionsOf(certificate: KnownCertificate, now: Date): readonly Condition[] {
  return [
    { type: "Ready", ...ready(certificate, now) },
    { type: "Issuing", ...issuing(certificate) },
    { type: "BackingOff", ...backingOff(certificate, now) },
    { type: "Deployed", ...deployed(certificate, now) },
  ];
}

/** The state in a few words: what an operator wants to know first. */
export function stateOf(certificate: KnownCertificate, now: Date): string {
  const { reason } = ready(certificate, now);
  const deployment = deployed(certificate, now);
  const undeployed = isWaiting(deployment) ? "waiting for its window" : "not deployed";
  const words = [
    certificate.held === undefined && isInProgress(certificate) ? "issuing" : inWords(reason),
    ...(hasFailed(certificate) ? ["last attempt failed"] : []),
    ...(isReal(certificate) && !deployment.status ? [undeployed] : []),
    ...behindText(certificate),
  ];
  return words.join(", ");
}

/** `NotYetValid` as `not yet valid`. */
const inWords = (reason: string) => reason.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();

const isReal = ({ held }: KnownCertificate) => held !== undefined && held.meta.temporary !== true;

/** True when the last attempt failed, for whatever reason. */
export function hasFailed({ status }: Pick<KnownCertificate, "status">): boolean {
  return status.failures > 0 || status.lastAttempt?.outcome === "failed";
}

/** True for a Deployed condition that is false only because no window has opened yet, or no real certificate was issued. */
export function isWaiting({ reason }: Pick<Condition, "reason">): boolean {
  return ["WaitingForWindow", "WindowOpen", "Temporary"].includes(reason);
}

type Judgement = Omit<Condition, "type">;

function ready(certificate: KnownCertificate, now: Date): Judgement {
  const { held, request, changed } = certificate;
  if (held === undefined) return absent(certificate);
  const { notBefore, notAfter, temporary } = held.meta;
  if (temporary === true)
    return no("Temporary", "It is signed by itself, until the CA has issued one.");
  const { at, rule, reason } = dueOf(certificate, now);
  if (rule === "revoked" && at <= now) return no("Revoked", `It must be replaced: ${reason}.`);
  if (new Date(notAfter) <= now) return no("Expired", `It expired at ${dateOf(notAfter)}.`);
  if (new Date(notBefore).getTime() > now.getTime() + largestSkew)
    return no("NotYetValid", `It is valid only from ${dateOf(notBefore)}.`);
  const drift = driftOf(request, held) ?? changed;
  if (drift !== undefined) return no("Drifted", `It does not match the request: ${drift}.`);
  return yes("Valid", `It is valid until ${dateOf(notAfter)}.`);
}

function absent({ damage }: KnownCertificate): Judgement {
  return damage === undefined
    ? no("Missing", "No certificate has been issued yet.")
    : no("Damaged", `The certificate is damaged: ${damage}. ${healing}`);
}

const healing =
  "Run `acmectl state check --repair`; without a good version to go back to, `acmectl renew` issues it again.";

function issuing({ pending }: KnownCertificate): Judgement {
  if (pending?.orderUrl === undefined) return no("NoOrder", "No order is open.");
  const { orderUrl, startedAt } = pending;
  return yes(
    "OrderOpen",
    `Order ${orderUrl} of ${dateOf(startedAt)} is open: a run is working on it, or the next one resumes it.`,
  );
}

function backingOff(certificate: KnownCertificate, now: Date): Judgement {
  const { failures, lastAttempt } = certificate.status;
  if (!hasFailed(certificate)) return no("NoFailure", "The last attempt did not fail.");
  const pause = pauseOf(certificate, now, false);
  const why = lastAttempt?.problem?.detail ?? lastAttempt?.problem?.title ?? "no reason is known";
  // Wrong options, this machine, a lock: the CA was not asked, and nothing waits.
  if (failures === 0 && pause === undefined)
    return no("RetryDue", `The last attempt failed; the next run tries again: ${why}`);
  const count = `${failures} ${failures === 1 ? "failure" : "failures"} since the last success`;
  if (pause === undefined) return no("RetryDue", `${count}; the next run tries again: ${why}`);
  return yes(reasons[pause.reason], `${count}; ${untilOf(pause)}: ${why}`);
}

const reasons = {
  backoff: "Failed",
  ca: "LimitedByCa",
  permanent: "Refused",
  cap: "WeeklyCap",
  limit: "LimitUsedUp",
  off: "RenewalOff",
} as const;

function untilOf({ reason, until }: Pause): string {
  if (reason === "permanent")
    return "not retried automatically: fix the cause and change the request, or renew with --force";
  if (reason === "off") return "its renewal is off: renew it with --force";
  const time = dateOf(until);
  return reason === "ca" ? `the CA accepts no order before ${time}` : `not retried before ${time}`;
}

function deployed(certificate: KnownCertificate, now: Date): Judgement {
  const steps = deployStatesOf(certificate);
  const { held, request } = certificate;
  if (held === undefined) return absent(certificate);
  if (held.meta.temporary === true && stepsOf(request).length > 0)
    return no("Temporary", "Commands and probes wait until the CA has issued one.");
  if (steps.length === 0) return yes("NoSteps", "No deploy steps are configured.");
  const failed = steps.filter(({ state }) => state === "failed");
  const pending = steps.filter(({ state }) => state === "pending");
  if (failed.length > 0) {
    const details = failed.map(({ step, detail = "it failed" }) => `${step}: ${detail}`);
    return no("StepFailed", details.join("; "));
  }
  if (pending.length > 0)
    return undeployed(certificate, pending.map(({ step }) => step).join(", "), now);
  return yes(
    "Done",
    `${steps.length === 1 ? "The step is" : `All ${steps.length} steps are`} done.`,
  );
}

function undeployed(certificate: KnownCertificate, steps: string, now: Date): Judgement {
  const waiting = waitingOf(certificate, now);
  const next = deployTimeOf(certificate, now);
  const opening = next === undefined ? "" : openingOf(next, certificate.request.windows);
  if (waiting?.until !== undefined)
    return no("WaitingForWindow", `The window opens at ${opening}; then: ${steps}.`);
  if (waiting !== undefined)
    return no("WindowOpen", `The window is open; the next run does: ${steps}.`);
  const missed =
    next === undefined
      ? ""
      : ` No run took place in the last window; the next one opens at ${opening}.`;
  return no("StepPending", `Not done yet: ${steps}.${missed}`);
}

function yes(reason: string, message: string): Judgement {
  return { status: true, reason, message };
}

function no(reason: string, message: string): Judgement {
  return { status: false, reason, message };
}
