import { caName } from "../acme/presets.ts";
import type { SolverSetting } from "../certificate.ts";
import { dateFrom, timeFrom } from "../dates.ts";
import { deployStatesOf, isDeployed } from "../deploy/steps.ts";
import { type Block, type Result, line, table } from "../result.ts";
import { problemOfBroken } from "./broken.ts";
import type { BrokenCertificate } from "../state/store.ts";
import type { KnownCertificate } from "./certificates.ts";
import { dueOf, hasNoEnd, pauseOf, type Due, type Pause } from "./due.ts";
import { openingOf } from "../deploy/windows.ts";
import { deployTimeOf } from "./windows.ts";

type Action =
  | "issue"
  | "re-issue"
  | "renew"
  | "none"
  | "wait"
  | "deploy"
  | "remove"
  | "orphaned"
  | "broken";

export interface Step {
  readonly name: string;
  readonly action: Action;
  readonly reason: string;
  /** Each with its challenge type, where one was chosen. */
  readonly solvers?: readonly string[];
  readonly dueAt?: Date | undefined;
  readonly until?: Date | undefined;
  /** When a deploy window opens, in its own time zone. */
  readonly opening?: string | undefined;
}

interface PlanOptions {
  /** Remove what is gone from the config. */
  readonly prune?: boolean | undefined;
  /** The schedule's interval in milliseconds, 0 without one. */
  readonly every?: number | undefined;
}

/** What `apply` and `renew` would do now with one certificate, and why. Offline. */
export function plannedStep(
  certificate: KnownCertificate & { readonly isOrphan?: boolean | undefined },
  { prune = false, every }: PlanOptions,
  now: Date,
): Step {
  const { name, request, isOrphan = false } = certificate;
  if (isOrphan)
    return {
      name,
      action: prune ? "remove" : "orphaned",
      reason: "it is not in the config any more",
    };
  return { ...stepOf(certificate, now, every), solvers: request.solvers.map(solverText) };
}

/** All steps, and the certificates that cannot be read. `detailed`: something to do changes the exit code. */
export function planOf(
  readable: readonly Step[],
  broken: readonly BrokenCertificate[],
  detailed: boolean,
  now: Date,
): Result {
  const unreadable = broken.map(({ name }): Step => ({
    name,
    action: "broken",
    reason: "its record, key or request cannot be read",
  }));
  const steps = [...readable, ...unreadable];
  const todo = steps.filter(({ action }) => !idleActions.includes(action));
  const problem = problemOfBroken(broken);
  return {
    exitCode: detailed && todo.length > 0 ? 10 : 0,
    document: {
      outcome: todo.length > 0 ? "changes" : "unchanged",
      // Made for --json alone.
      get certificates() {
        return steps.map(({ name, action, reason, solvers, dueAt, until }) => ({
          name,
          outcome: action,
          reason,
          solvers,
          dueAt: dueAt?.toISOString(),
          retryAt: until?.toISOString(),
        }));
      },
    },
    view: viewOf(steps, todo.length, now),
    problem,
  };
}

const idleActions: readonly Action[] = ["none", "wait", "orphaned", "broken"];

/** What a run would do now with one certificate. `every` is the schedule's interval in milliseconds, 0 without one. */
export function stepOf(certificate: KnownCertificate, now: Date, every = 0): Step {
  const { name } = certificate;
  const due = dueOf(certificate, now, every);
  const pause = pauseOf(certificate, now, false);
  if (due.at > now && pause?.reason !== "off")
    return { name, ...idle(certificate, due, now), dueAt: due.at };
  if (pause !== undefined) return { name, ...paused(certificate, pause, now), dueAt: due.at };
  return { name, action: actions[due.rule], reason: reasonWithCa(certificate, due), dueAt: due.at };
}

/** With the CA that is asked first again, after another one has issued. */
function reasonWithCa({ request, held }: KnownCertificate, { reason }: Due): string {
  const [first] = request.issuers ?? [];
  if (first === undefined || held === undefined || held.meta.directory === first.server)
    return reason;
  return `${reason}; ${caName(held.meta.directory)} issued it, and ${caName(first.server)} is asked first again`;
}

const actions: Readonly<Record<Due["rule"], Action>> = {
  missing: "issue",
  temporary: "issue",
  damaged: "re-issue",
  revoked: "re-issue",
  drift: "re-issue",
  expired: "renew",
  ari: "renew",
  lifetime: "renew",
  emergency: "renew",
};

type Decision = Omit<Step, "name" | "dueAt">;

function idle(certificate: KnownCertificate, due: Due, now: Date): Decision {
  if (isDeployed(certificate)) return { action: "none", reason: reasonWithCa(certificate, due) };
  const until = deployTimeOf(certificate, now);
  if (until !== undefined) {
    const opening = openingOf(until, certificate.request.windows);
    return { action: "wait", reason: "a deploy step waits for its window", until, opening };
  }
  const hasFailed = deployStatesOf(certificate).some(({ state }) => state === "failed");
  const reason = hasFailed
    ? "a deploy step failed and is repeated"
    : "a deploy step has not run yet";
  return { action: "deploy", reason };
}

/** The certificate held is deployed although its renewal waits. */
function paused(certificate: KnownCertificate, pause: Pause, now: Date): Decision {
  const until = hasNoEnd(pause) ? undefined : pause.until;
  const why = reasonOf(pause, certificate.name);
  const canDeploy =
    certificate.held !== undefined &&
    !isDeployed(certificate) &&
    deployTimeOf(certificate, now) === undefined;
  return canDeploy
    ? {
        action: "deploy",
        reason: `a deploy step has not run yet; the renewal waits: ${why}`,
        until,
      }
    : { action: "wait", reason: why, until };
}

function reasonOf({ reason }: Pause, name: string): string {
  if (reason === "permanent")
    return `the CA rejects this request: change it, or run acmectl renew ${name} --force`;
  return {
    ca: "the CA set this time",
    backoff: "backing off after a failure",
    cap: "the CA has issued for these names four times within a week",
    limit: "a limit of the CA is used up",
    off: `its renewal is off; run acmectl renew ${name} --force`,
  }[reason];
}

function viewOf(steps: readonly Step[], todo: number, now: Date): readonly Block[] {
  if (steps.length === 0)
    return [line("There are no certificates, and none in the config.", "dim")];
  const text = todo === 0 ? "There is nothing to do now." : `${todo} of ${steps.length} to do now.`;
  return [
    table(
      ["NAME", "ACTION", "WHEN", "SOLVERS", "WHY"],
      steps.map((step) => [
        step.name,
        step.action,
        whenOf(step, now),
        step.solvers?.join(", ") || "-",
        step.reason,
      ]),
    ),
    line(text),
  ];
}

/** `web`, or `hook (http-01)` where the challenge type was chosen. */
export function solverText({ name, challenge }: SolverSetting): string {
  return challenge === undefined ? name : `${name} (${challenge})`;
}

/** When a step is taken; undefined when it never is without help. */
export function timeOf({ action, until, dueAt }: Step, now: Date): Date | undefined {
  if (action === "deploy") return now;
  return action === "wait" ? until : (until ?? dueAt);
}

/** The same for people: `2027-01-28 17:31 UTC, in 59 days`. */
export function whenOf(step: Step, now: Date): string {
  const time = timeOf(step, now);
  if (time === undefined) return "-";
  if (time <= now) return "now";
  return step.opening === undefined
    ? dateFrom(now, time)
    : `${step.opening}, ${timeFrom(now, time)}`;
}
