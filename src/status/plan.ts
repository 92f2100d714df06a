import type { Block, Result } from "../result.ts";
import { deployStatesOf, isDeployed } from "../deploy/steps.ts";
import { timeFrom } from "./describe.ts";
import { problemOfBroken } from "./broken.ts";
import { dueOf, pauseOf, type Due, type Pause } from "./due.ts";
import { deployTimeOf } from "./windows.ts";
import type { Wanted, WantedCertificate } from "./wanted.ts";

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
  readonly dueAt?: Date;
  readonly until?: Date;
}

/** What `apply` and `renew` would do now, and why; nothing is asked of anybody. */
export function planOf(
  wanted: Wanted,
  options: { prune: boolean; detailed: boolean },
  now: Date,
): Result {
  const steps = [
    ...wanted.certificates.map((certificate) => stepOf(certificate, now)),
    ...wanted.orphans.map(({ name }): Step => ({
      name,
      action: options.prune ? "remove" : "orphaned",
      reason: "the config has no such certificate any more",
    })),
    ...wanted.broken.map(({ name }): Step => ({
      name,
      action: "broken",
      reason: "nobody can tell what it needs",
    })),
  ];
  const todo = steps.filter(({ action }) => !idleActions.includes(action));
  const problem = problemOfBroken(wanted.broken);
  return {
    exitCode: problem?.exitCode ?? (options.detailed && todo.length > 0 ? 10 : 0),
    document: {
      outcome: todo.length > 0 ? "changes" : "unchanged",
      certificates: steps.map(({ name, action, reason, dueAt, until }) => ({
        name,
        outcome: action,
        reason,
        ...(dueAt === undefined ? {} : { dueAt: dueAt.toISOString() }),
        ...(until === undefined ? {} : { retryAt: until.toISOString() }),
      })),
    },
    view: viewOf(steps, todo.length, now),
    ...(problem === undefined ? {} : { problem }),
  };
}

const idleActions: readonly Action[] = ["none", "wait", "orphaned", "broken"];

/** What the next run would do with one certificate. */
export function stepOf(certificate: WantedCertificate, now: Date): Step {
  const { name } = certificate;
  const due = dueOf(certificate, now);
  const pause = pauseOf(certificate, now, false);
  if (due.at > now) return { name, ...idle(certificate, due, now), dueAt: due.at };
  if (pause !== undefined) return { name, ...paused(certificate, pause, now), dueAt: due.at };
  return { name, action: actions[due.rule], reason: due.reason, dueAt: due.at };
}

const actions: Readonly<Record<Due["rule"], Action>> = {
  missing: "issue",
  revoked: "re-issue",
  drift: "re-issue",
  expired: "renew",
  ari: "renew",
  lifetime: "renew",
  emergency: "renew",
};

function idle(
  certificate: WantedCertificate,
  due: Due,
  now: Date,
): Pick<Step, "action" | "reason" | "until"> {
  if (isDeployed(certificate)) return { action: "none", reason: due.reason };
  const until = deployTimeOf(certificate, now);
  if (until !== undefined)
    return { action: "wait", reason: "a deploy step waits for its window", until };
  const isFirst = deployStatesOf(certificate).every(({ state }) => state !== "failed");
  return {
    action: "deploy",
    reason: isFirst ? "a deploy step is not done" : "a deploy step failed and is repeated",
  };
}

/** What is held is deployed all the same. */
function paused(
  certificate: WantedCertificate,
  pause: Pause,
  now: Date,
): Pick<Step, "action" | "reason" | "until"> {
  const until = pause.reason === "permanent" ? {} : { until: pause.until };
  const why = reasonOf(pause, certificate.name);
  const deployable = certificate.held !== undefined && !isDeployed(certificate);
  if (!deployable || deployTimeOf(certificate, now) !== undefined)
    return { action: "wait", reason: why, ...until };
  return {
    action: "deploy",
    reason: `a deploy step is not done; the renewal waits: ${why}`,
    ...until,
  };
}

function reasonOf(pause: Pause, name: string): string {
  if (pause.reason === "permanent")
    return `the CA refused for good: change the request, or acmectl renew ${name} --force`;
  return pause.reason === "ca" ? "the CA has named this time" : "backing off after a failure";
}

function viewOf(steps: readonly Step[], todo: number, now: Date): readonly Block[] {
  if (steps.length === 0)
    return [{ kind: "line", text: "Nothing is wanted and nothing is held.", tone: "dim" }];
  return [
    {
      kind: "table",
      columns: ["NAME", "ACTION", "WHEN", "WHY"],
      rows: steps.map((step) => [
        step.name,
        step.action,
        whenOf(timeOf(step, now), now),
        step.reason,
      ]),
    },
    {
      kind: "line",
      text:
        todo === 0
          ? "There is nothing to do now."
          : `${todo} of ${steps.length} need something now.`,
    },
  ];
}

/** When a step is taken; nothing stands in the way of a deploy step. Undefined when it never is by itself. */
export function timeOf({ action, until, dueAt }: Step, now: Date): Date | undefined {
  if (action === "deploy") return now;
  return action === "wait" ? until : (until ?? dueAt);
}

/** A time for people, with the way there. */
export function whenOf(time: Date | undefined, now: Date): string {
  if (time === undefined) return "-";
  return time <= now ? "now" : `${time.toISOString()} (${timeFrom(now, time)})`;
}
