import { deployStatesOf } from "../deploy/steps.ts";
import { driftOf } from "../request/drift.ts";
import { dueOf, pauseOf, type Pause } from "./due.ts";
import type { KnownCertificate } from "./known.ts";
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

/** The most that can be said in a word or two: what an operator wants to know first. */
export function stateOf(certificate: KnownCertificate, now: Date): string {
  const { reason } = ready(certificate, now);
  const deployment = deployed(certificate, now);
  const undeployed = isWaiting(deployment) ? "waiting for its window" : "not deployed";
  const words = [
    reason.toLowerCase(),
    ...(hasFailed(certificate) ? ["last attempt failed"] : []),
    ...(certificate.held !== undefined && !deployment.status ? [undeployed] : []),
  ];
  return words.join(", ");
}

/** True when the last attempt failed, of whatever kind the failure was. */
export function hasFailed({ status }: Pick<KnownCertificate, "status">): boolean {
  return status.failures > 0 || status.lastAttempt?.outcome === "failed";
}

/** True of a Deployed condition that is false for want of a window alone. */
export function isWaiting({ reason }: Pick<Condition, "reason">): boolean {
  return reason === "WaitingForWindow" || reason === "WindowOpen";
}

type Said = Omit<Condition, "type">;

function ready(certificate: KnownCertificate, now: Date): Said {
  const { held, request, changed } = certificate;
  if (held === undefined) return no("Missing", "No certificate is held.");
  const { notAfter } = held.meta;
  const { at, rule, reason } = dueOf(certificate, now);
  if (rule === "revoked" && at <= now)
    return no("Revoked", `What is held is of no use: ${reason}.`);
  if (new Date(notAfter) <= now) return no("Expired", `It has expired at ${notAfter}.`);
  const drift = driftOf(request, held) ?? changed;
  if (drift !== undefined) return no("Drifted", `What is held is not what is wanted: ${drift}.`);
  return yes("Valid", `It is valid until ${notAfter}.`);
}

function issuing({ pending }: KnownCertificate): Said {
  if (pending?.orderUrl === undefined) return no("NoOrder", "No order is open.");
  return yes(
    "OrderOpen",
    `The order ${pending.orderUrl} of ${pending.startedAt} is not ended; a run works on it, or the next one resumes it.`,
  );
}

function backingOff(certificate: KnownCertificate, now: Date): Said {
  const { failures, lastAttempt } = certificate.status;
  if (!hasFailed(certificate)) return no("NoFailure", "The last attempt did not fail.");
  const pause = pauseOf(certificate, now, false);
  const why = lastAttempt?.problem?.detail ?? lastAttempt?.problem?.title ?? "no reason is known";
  // Wrong options, this machine, a lock: the CA was not troubled, and nothing waits.
  if (failures === 0 && pause === undefined)
    return no("RetryDue", `The last attempt failed, and the next run tries again: ${why}`);
  const count = `${failures} ${failures === 1 ? "failure" : "failures"} since the last success`;
  if (pause === undefined) return no("RetryDue", `${count}, and the next run tries again: ${why}`);
  return yes(reasons[pause.reason], `${count}; ${until(pause)}: ${why}`);
}

const reasons = { backoff: "Failed", ca: "LimitedByCa", permanent: "Refused" } as const;

function until({ reason, until }: Pause): string {
  const time = until.toISOString();
  if (reason === "permanent")
    return "not tried again by itself: mend the cause and change the request, or renew with --force";
  return reason === "ca" ? `the CA wants none before ${time}` : `not tried before ${time}`;
}

function deployed(certificate: KnownCertificate, now: Date): Said {
  const steps = deployStatesOf(certificate);
  if (certificate.held === undefined) return no("Missing", "No certificate is held.");
  if (steps.length === 0) return yes("NoSteps", "Nothing is to be done with a new certificate.");
  const failed = steps.filter(({ state }) => state === "failed");
  const pending = steps.filter(({ state }) => state === "pending");
  if (failed.length > 0) {
    const told = failed.map(({ step, detail = "it failed" }) => `${step}: ${detail}`);
    return no("StepFailed", told.join("; "));
  }
  if (pending.length > 0)
    return undone(certificate, pending.map(({ step }) => step).join(", "), now);
  return yes(
    "Done",
    `${steps.length === 1 ? "The step is" : `All ${steps.length} steps are`} done.`,
  );
}

function undone(certificate: KnownCertificate, steps: string, now: Date): Said {
  const waiting = waitingOf(certificate, now);
  const next = deployTimeOf(certificate, now)?.toISOString();
  if (waiting?.until !== undefined)
    return no("WaitingForWindow", `Not done before its window opens at ${next}: ${steps}.`);
  if (waiting !== undefined)
    return no("WindowOpen", `Its window is open, and the next run does: ${steps}.`);
  const missed =
    next === undefined
      ? ""
      : ` A window has gone by in which nothing ran; the next one opens at ${next}.`;
  return no("StepPending", `Not done yet: ${steps}.${missed}`);
}

function yes(reason: string, message: string): Said {
  return { status: true, reason, message };
}

function no(reason: string, message: string): Said {
  return { status: false, reason, message };
}
