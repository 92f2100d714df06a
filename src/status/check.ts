import { Problem } from "../problem.ts";
import { conditionsOf, hasFailed, isWaiting } from "./conditions.ts";
import { timeFrom } from "./describe.ts";
import { dueOf } from "./due.ts";
import type { KnownCertificate } from "./known.ts";
import type { BrokenCertificate } from "./wanted.ts";

/** Why a certificate needs attention, the weightiest reason first. */
export interface Finding {
  readonly kind:
    | "broken"
    | "missing"
    | "revoked"
    | "expired"
    | "drifted"
    | "past due"
    | "expiring"
    | "failing"
    | "undeployed";
  readonly detail: string;
}

export interface Checked {
  readonly name: string;
  readonly findings: readonly Finding[];
}

const day = 86_400_000;
/** Runs come twice a day: what is due is past due when a day has gone by, or a tenth of a short lifetime. */
const grace = (lifetime: number) => Math.min(day, lifetime / 10);

/** What a monitor should tell of; `warn` (milliseconds) reports what ends sooner. */
export function check(certificate: KnownCertificate, warn: number, now: Date): Checked {
  const { name } = certificate;
  const findings = [
    ...readiness(certificate, now),
    ...lateness(certificate, warn, now),
    ...troubles(certificate, now),
  ];
  return { name, findings };
}

/** Of one that cannot be read nothing else is known. */
export function checkBroken({ name, problem }: BrokenCertificate): Checked {
  const { message, hint } = problem;
  return { name, findings: [finding("broken", [message, hint ?? ""].join(" ").trim())] };
}

const unready: ReadonlyMap<string, Finding["kind"]> = new Map([
  ["Missing", "missing"],
  ["Revoked", "revoked"],
  ["Expired", "expired"],
]);

function readiness(certificate: KnownCertificate, now: Date): readonly Finding[] {
  const ready = conditionsOf(certificate, now).find(({ type }) => type === "Ready");
  if (ready === undefined || ready.status) return [];
  return [{ kind: unready.get(ready.reason) ?? "drifted", detail: ready.message }];
}

function lateness(certificate: KnownCertificate, warn: number, now: Date): readonly Finding[] {
  const { held } = certificate;
  if (held === undefined) return [];
  const [from, to] = [
    new Date(held.meta.notBefore).getTime(),
    new Date(held.meta.notAfter).getTime(),
  ];
  if (to <= now.getTime()) return [];
  const due = dueOf(certificate, now).at;
  const late = now.getTime() - due.getTime() > grace(to - from);
  const soon = to - now.getTime() < warn;
  return [
    ...(late
      ? [finding("past due", `It was due at ${due.toISOString()} and is not renewed.`)]
      : []),
    ...(soon
      ? [
          finding(
            "expiring",
            `It expires ${timeFrom(now, new Date(to))}, at ${held.meta.notAfter}.`,
          ),
        ]
      : []),
  ];
}

function troubles(certificate: KnownCertificate, now: Date): readonly Finding[] {
  const conditions = conditionsOf(certificate, now);
  const backing = conditions.find(({ type }) => type === "BackingOff");
  const deployed = conditions.find(({ type }) => type === "Deployed");
  const { held, status } = certificate;
  // One that is not due yet lives well without the attempt; what has backed off is told at any time.
  const failing =
    status.failures > 0 || (hasFailed(certificate) && dueOf(certificate, now).at <= now);
  const undeployed = deployed?.status === false && held !== undefined && !isWaiting(deployed);
  return [
    ...(failing ? [finding("failing", backing?.message ?? "")] : []),
    ...(undeployed ? [finding("undeployed", deployed.message)] : []),
  ];
}

function finding(kind: Finding["kind"], detail: string): Finding {
  return { kind, detail };
}

/**
 * The failure that all findings come to, undefined when there are none. 9: nothing but deploy steps; 6: only attempts that
 * fail while what is held is still good; 11: all else.
 */
export function problemOfChecks(checked: readonly Checked[]): Problem | undefined {
  const troubled = checked.filter(({ findings }) => findings.length > 0);
  if (troubled.length === 0) return undefined;
  const kinds = new Set(troubled.flatMap(({ findings }) => findings.map(({ kind }) => kind)));
  const only = kinds.size === 1 ? [...kinds][0] : undefined;
  const type = only === "undeployed" ? "deploy" : only === "failing" ? "backoff" : "partial";
  return new Problem(type, {
    title: `${troubled.length} of ${checked.length} certificates need${troubled.length === 1 ? "s" : ""} attention`,
    detail: troubled
      .flatMap(({ name, findings }) =>
        findings.map(({ kind, detail }) => `${name}: ${kind}: ${detail}`),
      )
      .join("\n"),
    hint: hints[type],
  });
}

const hints = {
  deploy:
    "Mend what the steps say; the next run, or `acmectl deploy`, repeats them without a new order.",
  backoff: "`acmectl status NAME` tells what failed; what is held is still good.",
  partial:
    "`acmectl status NAME` tells what failed and what comes next; does `acmectl renew` run twice a day?",
} as const;
