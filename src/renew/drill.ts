import { presetOf, presets } from "../acme/presets.ts";
import { durationOf } from "../dates.ts";
import { type Block, line, type Result, table } from "../result.ts";
import type { Certificates, KnownCertificate } from "../status/certificates.ts";
import { endOfOpen } from "../deploy/windows.ts";
import type { Store } from "../state/store.ts";
import { openServer } from "../status/limits.ts";
import { renewalsOf } from "../status/renewal-information.ts";

const minute = 60_000;
const hour = 60 * minute;

/** How long before a mass revocation public CAs announce it (CA/B Forum baseline requirements, 4.9.1.1). */
const notice = 24 * hour;
/** The longest time between two questions for renewal information, as far as the CA's Retry-After decides. */
const longestPause = 6 * hour;
/** The wait of a scheduled run, at most. */
const jitter = 8 * minute;
/** An order, where none was measured yet. */
const usual = 30_000;

interface Planned {
  readonly name: string;
  readonly server: string;
  /** Why a run would leave it alone. */
  readonly left?: string | undefined;
  /** Milliseconds, as the last order took. */
  readonly takes: number;
}

/**
 * What would happen if the CAs asked for the early renewal of all certificates now, as before a mass revocation: which ones
 * would be renewed, and how long it would take. From what is stored; nothing is ordered.
 */
export async function drillOf(
  { certificates, broken }: Certificates,
  { every, concurrency, max }: { every: number; concurrency: number; max: number },
  store: Pick<Store, "accounts" | "ledger">,
  now: Date,
): Promise<Result> {
  const planned = [
    ...(await Promise.all(
      certificates.map(async (one) =>
        plannedOf(one, await openServer(one.request, store, now), now),
      ),
    )),
    ...broken.map(({ name }) => ({ ...unreadable, name })),
  ];
  const renewed = planned.filter(({ left }) => left === undefined);
  // What a run leaves because of --max waits for the next one.
  const runs = Math.max(1, Math.ceil(renewed.length / max));
  const work = workOf(renewed, concurrency) + (runs - 1) * every;
  const seen = every === 0 ? undefined : (Math.floor(longestPause / every) + 1) * every;
  const total = seen === undefined ? undefined : seen + jitter + work;
  const isInTime = total !== undefined && total <= notice;
  const isMet = renewed.length === planned.length && isInTime;
  const left = planned.length - renewed.length;
  const reasons = [
    ...(left > 0 ? [`${left} would not be renewed in time.`] : []),
    ...(isInTime ? [] : [verdict(total, every)]),
  ];
  return {
    exitCode: isMet ? 0 : 11,
    document: {
      outcome: "drill",
      met: isMet,
      reason: isMet ? undefined : reasons.join(" "),
      seconds: { notice: notice / 1000, seen: inSeconds(seen), work: inSeconds(work) },
      certificates: planned.map(({ name, left, takes }) => ({
        name,
        outcome: left === undefined ? "would-renew" : "left",
        reason: left,
        seconds: left === undefined ? inSeconds(takes) : undefined,
      })),
    },
    view: [
      tableOf(planned),
      line(
        `${renewed.length} of ${planned.length} would be renewed in about ${durationOf(Math.max(work, minute))}${runs > 1 ? `, by ${runs} runs` : ""}. Nothing was ordered.`,
      ),
      ...reasons.map((text) => line(text, "warn")),
      ...(isInTime ? [line(verdict(total, every), "good")] : []),
    ],
  };
}

function tableOf(planned: readonly Planned[]): Block {
  return table(
    ["NAME", "CA", "RENEWED", "TAKES"],
    planned.map(({ name, server, left, takes }) => [
      name,
      server,
      left === undefined ? "yes" : `no: ${left}`,
      left === undefined ? durationOf(Math.max(takes, 1000)) : "-",
    ]),
  );
}

const unreadable = {
  server: "-",
  left: "its record cannot be read",
  takes: 0,
} as const;

function plannedOf(
  { name, request, held, status }: KnownCertificate,
  server: string,
  now: Date,
): Planned {
  const { lastAttempt } = status;
  const { startedAt, endedAt, outcome } = lastAttempt ?? {};
  const isMeasured = outcome === "issued" && startedAt !== undefined && endedAt !== undefined;
  const isAsked = renewalsOf({ name, request, held, status }).every(({ ari }) => ari?.window);
  return {
    name,
    server: presetOf(server)?.name ?? server,
    left: reasonToLeave({ name, request, held, status }, isAsked, now),
    takes: isMeasured ? Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)) : usual,
  };
}

function reasonToLeave(
  { request, held }: KnownCertificate,
  isAsked: boolean,
  now: Date,
): string | undefined {
  if (held === undefined || held.meta.temporary === true) return "none was issued yet";
  if (request.renew === false) return "its renewal is off";
  if (!isAsked) return "its CA has given no renewal information (ARI) for it";
  const end = endOfOpen(request.freeze ?? [], now);
  return end === undefined ? undefined : "frozen now, unless the CA explains the early renewal";
}

/** Side by side, and as the limits of each CA allow. */
function workOf(renewed: readonly Planned[], concurrency: number): number {
  const sum = renewed.reduce((all, { takes }) => all + takes, 0);
  const longest = Math.max(0, ...renewed.map(({ takes }) => takes));
  const limited = Map.groupBy(renewed, ({ server }) => server);
  const waits = [...limited].map(([server, { length }]) => waitFor(length, server));
  return Math.max(sum / concurrency, longest, ...waits);
}

/** Some CAs exempt renewals that name their predecessor (RFC 9773 §5); that is not counted on. */
function waitFor(orders: number, server: string): number {
  const limit = presets.find(({ name }) => name === server)?.limits?.ordersPerAccount;
  return limit === undefined ? 0 : (Math.max(0, orders - limit.most) / limit.most) * limit.per;
}

function verdict(total: number | undefined, every: number): string {
  if (total === undefined)
    return "No schedule of `acmectl renew` was found here, so no run would notice it. Run `acmectl schedule install`.";
  const text = `With a run every ${durationOf(every)}, the renewals are done ${durationOf(total)} after the CA's notice at the latest`;
  return total <= notice
    ? `${text}, within ${durationOf(notice)}.`
    : `${text}, later than ${durationOf(notice)}. Run acmectl more often: acmectl schedule install --every 6h.`;
}

function inSeconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.round(milliseconds / 1000);
}
