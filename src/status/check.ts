import { dateFrom, dateOf } from "../dates.ts";
import { isUpToDate } from "../issue/dane/up-to-date.ts";
import { Problem } from "../problem.ts";
import type { BrokenCertificate } from "../state/store.ts";
import type { KnownCertificate } from "./certificates.ts";
import { differenceText, type ClockDifference } from "./clock.ts";
import { conditionsOf, hasFailed, isWaiting } from "./conditions.ts";
import { hostFaults } from "./hosts.ts";
import { dueOf, lifetimeOf } from "./due.ts";

/** Why a certificate needs attention, the most serious reason first. */
export interface Finding {
  readonly kind:
    | "broken"
    | "missing"
    | "temporary"
    | "damaged"
    | "revoked"
    | "expired"
    | "drifted"
    | "past due"
    | "expiring"
    | "not ready"
    | "failing"
    | "undeployed"
    | "clock"
    | "dane";
  readonly detail: string;
}

export interface Checked {
  readonly name: string;
  readonly findings: readonly Finding[];
}

/** What is known beside the certificate itself. */
interface Known {
  /** What would stop its renewal. */
  readonly faults: readonly string[];
  readonly clocks: readonly ClockDifference[];
}

const day = 86_400_000;
/** A certificate that is due is past due after a day, or after a tenth of a short lifetime. */
const grace = (lifetime: number) => Math.min(day, lifetime / 10);

/** What a monitor should report; `warn` (milliseconds) includes what expires sooner. */
export function check(
  certificate: KnownCertificate,
  { faults, clocks }: Known,
  warn: number,
  now: Date,
): Checked {
  const { solvers, proof } = certificate.request;
  const canProve = solvers.length > 0 || proof === "none";
  const findings = [
    ...clocks.map((one) => finding("clock", differenceText(one))),
    ...readiness(certificate, now),
    ...lateness(certificate, warn, now),
    ...(canProve ? faults : [noSolver]).map((one) => finding("not ready", one)),
    ...troubles(certificate, now),
  ];
  return { name: certificate.name, findings };
}

const noSolver =
  "No solver is known, so it cannot be renewed: run `acmectl issue` with --standalone, --webroot or --solver.";

/** If its record cannot be read, nothing else is known. */
export function checkBroken({ name, problem }: BrokenCertificate): Checked {
  const { message, hint } = problem;
  return { name, findings: [finding("broken", [message, hint ?? ""].join(" ").trim())] };
}

const unready: ReadonlyMap<string, Finding["kind"]> = new Map([
  ["Missing", "missing"],
  ["Temporary", "temporary"],
  ["Damaged", "damaged"],
  ["Revoked", "revoked"],
  ["Expired", "expired"],
  ["NotYetValid", "not ready"],
]);

function readiness(certificate: KnownCertificate, now: Date): readonly Finding[] {
  const ready = conditionsOf(certificate, now).find(({ type }) => type === "Ready");
  if (ready === undefined || ready.status) return [];
  return [{ kind: unready.get(ready.reason) ?? "drifted", detail: ready.message }];
}

function lateness(certificate: KnownCertificate, warn: number, now: Date): readonly Finding[] {
  const { held } = certificate;
  if (held === undefined || new Date(held.meta.notAfter) <= now) return [];
  if (held.meta.temporary === true) return [];
  const { notAfter } = held.meta;
  const due = dueOf(certificate, now).at;
  const isLate = now.getTime() - due.getTime() > grace(lifetimeOf(held.meta));
  const isSoon = new Date(notAfter).getTime() - now.getTime() < warn;
  return [
    ...(isLate ? [finding("past due", `It was due at ${dateOf(due)} and is not renewed.`)] : []),
    ...(isSoon ? [finding("expiring", `It expires ${dateFrom(now, notAfter)}.`)] : []),
  ];
}

function troubles(certificate: KnownCertificate, now: Date): readonly Finding[] {
  const conditions = conditionsOf(certificate, now);
  const backing = conditions.find(({ type }) => type === "BackingOff");
  const deployed = conditions.find(({ type }) => type === "Deployed");
  const { held, status } = certificate;
  // Before a certificate is due, a failed attempt does no harm; a back-off is always reported.
  const failing =
    status.failures > 0 || (hasFailed(certificate) && dueOf(certificate, now).at <= now);
  const undeployed = deployed?.status === false && held !== undefined && !isWaiting(deployed);
  return [
    ...(failing ? [finding("failing", backing?.message ?? "")] : []),
    ...(undeployed ? [finding("undeployed", deployed.message)] : []),
    ...hostFaults(certificate, graceBefore(held, now)).map((one) => finding("undeployed", one)),
    ...(isUpToDate(certificate, now) ? [] : [finding("dane", outdated)]),
  ];
}

/** Hosts pull at times of their own, and some wait for a window. */
function graceBefore(held: KnownCertificate["held"], now: Date): Date {
  return new Date(now.getTime() - (held === undefined ? day : grace(lifetimeOf(held.meta))));
}

const outdated = "Its TLSA records are not up to date, and the next run has to change them.";

function finding(kind: Finding["kind"], detail: string): Finding {
  return { kind, detail };
}

/**
 * One Problem for all of `count` certificates that need attention; undefined when there are none. 9: only deploy steps failed; 6: only attempts failed and the
 * certificates are still good; 11: anything else.
 */
export function problemOfChecks(troubled: readonly Checked[], count: number): Problem | undefined {
  if (troubled.length === 0) return undefined;
  const kinds = new Set(troubled.flatMap(({ findings }) => findings.map(({ kind }) => kind)));
  const only = kinds.size === 1 ? [...kinds][0] : undefined;
  const type = only === "undeployed" ? "deploy" : only === "failing" ? "backoff" : "partial";
  return new Problem(type, {
    title: `${troubled.length} of ${count} certificates need attention`,
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
    "Fix what the steps report; the next run, or `acmectl deploy`, repeats them without a new order.",
  backoff: "Run `acmectl status NAME` to see what failed; the certificate is still good.",
  partial:
    "Run `acmectl status NAME` to see what failed and what comes next, and `acmectl schedule show` to see whether renewals run.",
} as const;
