/** What is left of a CA's limits, computed from what was asked of it. */
import type { LimitName, Limits, RateLimit } from "../acme/presets.ts";
import { durationOf } from "../dates.ts";
import { shortList } from "../many-names.ts";
import { markOfText } from "./mark.ts";
import { isAhead } from "./pause.ts";

/** What was asked of one CA and counts for its limits, and until when it accepts no orders. */
export interface Ledger {
  readonly entries: readonly LedgerEntry[];
  readonly pauses: readonly CaPause[];
  /** How far the CA's clock was ahead of ours when it was asked last, in milliseconds, if that is much; `at` is the CA's time. */
  readonly clock?: { readonly at: string; readonly skew: number } | undefined;
}
export interface LedgerEntry {
  readonly at: string;
  /** `validation`: of a name that had failed before. */
  readonly event: "account" | "order" | "certificate" | "failure" | "validation";
  /** URL of the account. */
  readonly account?: string | undefined;
  /** Canonical; the name alone of a validation that failed. */
  readonly names: readonly string[];
  /** Of an order that some limits do not count, since it renews a certificate. */
  readonly renewal?: true | undefined;
}
export interface CaPause {
  readonly until: string;
  /** Absent when it is for all accounts. */
  readonly account?: string | undefined;
  /** The CA's words. */
  readonly detail: string;
}

/** How much of one limit is left. */
export interface Allowance {
  readonly limit: LimitName;
  /** What it is counted for: a domain, a set of names, a name; empty for an account or this machine. */
  readonly of: string;
  readonly most: number;
  readonly per: number;
  readonly left: number;
  /** When one more is possible, if none is left. */
  readonly next?: Date | undefined;
}

/** Who asks for what. */
export interface Asking {
  readonly account: string | undefined;
  readonly names: readonly string[];
  readonly renewal?: true | undefined;
}

/** Which entries are needed: those of these events that count for the same limits. */
export interface About extends Asking {
  readonly events: readonly LedgerEntry["event"][];
}

/** The pauses and the clock alone. */
export const noEntries: About = { account: undefined, names: [], events: [] };

/** The allowances of each limit that an order for these names counts for. Limits that are not known are left out. */
export async function allowancesFor(
  { account, names }: Asking,
  { entries }: Ledger,
  limits: Limits,
  now: Date,
): Promise<readonly Allowance[]> {
  const own = entries.filter((one) => one.account === account);
  const of = (limit: LimitName, subject: string, counted: readonly LedgerEntry[]) => {
    const known = limits[limit];
    return known === undefined ? [] : [allowance(limit, subject, known, counted, now)];
  };
  const during = (event: LedgerEntry["event"], all: readonly LedgerEntry[] = own) =>
    all.filter((one) => one.event === event);
  const issued = during("certificate", entries);
  const set = setOf(names);
  const domains =
    limits.certificatesPerDomain === undefined ? [] : await byDomain(names, issued.filter(isNew));
  return [
    ...of("accountsPerMachine", "", during("account", entries)),
    ...of("ordersPerAccount", "", during("order").filter(isNew)),
    ...domains.flatMap(([domain, counted]) => of("certificatesPerDomain", domain, counted)),
    ...of(
      "certificatesPerSet",
      set,
      issued.filter((one) => setOf(one.names) === set),
    ),
    ...names.flatMap((name) =>
      of(
        "failuresPerName",
        name,
        during("failure").filter((one) => one.names.includes(name)),
      ),
    ),
    ...names.flatMap((name) => of("failuresInARow", name, failuresInARow(name, own))),
  ];
}

const isNew = ({ renewal }: LedgerEntry) => renewal !== true;

/** Those since the CA has validated the name. */
export function failuresInARow(
  name: string,
  entries: readonly LedgerEntry[],
): readonly LedgerEntry[] {
  const ofName = entries.filter((one) => one.names.includes(name));
  const last = ofName.findLastIndex(({ event }) => event === "validation");
  return ofName.slice(last + 1).filter(({ event }) => event === "failure");
}

/** The registered domains of the names, each with the certificates that count for it. */
async function byDomain(
  names: readonly string[],
  issued: readonly LedgerEntry[],
): Promise<readonly (readonly [domain: string, counted: readonly LedgerEntry[]])[]> {
  const { registeredDomain } = await import("../acme/registered-domain.ts");
  const domainsOf = (one: readonly string[]) => new Set(one.map(registeredDomain));
  const counted = issued.map((entry) => ({ entry, domains: domainsOf(entry.names) }));
  return [...domainsOf(names)].map((domain) => [
    domain,
    counted.filter(({ domains }) => domains.has(domain)).map(({ entry }) => entry),
  ]);
}

/** As a bucket of tokens, which fills up evenly: what Let's Encrypt does, and never more than a fixed window permits at once. */
function allowance(
  limit: LimitName,
  of: string,
  { most, per }: RateLimit,
  used: readonly LedgerEntry[],
  now: Date,
): Allowance {
  const interval = per / most;
  let tokens = most;
  let last = 0;
  const times = used.map(({ at }) => Date.parse(at)).filter((time) => time <= now.getTime());
  for (const time of times.toSorted((a, b) => a - b)) {
    tokens = Math.max(0, Math.min(most, tokens + (time - last) / interval) - 1);
    last = time;
  }
  const present = Math.min(most, tokens + (now.getTime() - last) / interval);
  const left = Math.floor(present + 1e-9);
  const next = new Date(now.getTime() + Math.ceil((1 - present) * interval));
  return { limit, of, most, per, left, next: left > 0 ? undefined : next };
}

const words: Readonly<Record<LimitName, string>> = {
  accountsPerMachine: "new accounts of this machine",
  ordersPerAccount: "new orders of this account",
  certificatesPerDomain: "certificates for",
  certificatesPerSet: "certificates for exactly",
  failuresPerName: "failed validations of",
  failuresInARow: "failed validations in a row of",
  requestsPerWorker: "requests of this run",
};

/** `all 5 certificates for exactly a.example, b.example in 7 days are used up` */
export function allowanceText({ limit, of, most, per, left }: Allowance): string {
  const names = of === "" ? "" : ` ${shortList(of.split(", "))}`;
  const what = `${most} ${words[limit]}${names}`;
  if (limit === "failuresInARow")
    return left === 0
      ? `all ${what} are used up, and the CA pauses the name`
      : `${left} of ${what} left before the CA pauses the name`;
  const within = `${what} in ${durationOf(per)}`;
  return left === 0 ? `all ${within} are used up` : `${left} of ${within} left`;
}

/**
 * What an entry is found by: entries that count for the same limit have one of these in common, and hardly ever others. They
 * are checksums, since some databases index short texts only.
 */
export async function subjectsOf({
  event,
  account = "",
  names,
}: Pick<LedgerEntry, "event" | "account" | "names">): Promise<readonly string[]> {
  if (event === "account") return [markOfText("account")];
  if (event === "order") return [markOfText(`order ${account}`)];
  if (event !== "certificate") return names.map((name) => markOfText(`name ${name}`));
  const { registeredDomain } = await import("../acme/registered-domain.ts");
  const domains = new Set(names.map(registeredDomain));
  return [...domains].map((domain) => markOfText(`domain ${domain}`));
}

/** Those that the entries needed may have. */
export async function subjectsAbout({ events, ...asking }: About): Promise<readonly string[]> {
  const all = await Promise.all(events.map((event) => subjectsOf({ event, ...asking })));
  return [...new Set(all.flat())];
}

/** When no limit can count an entry any more. */
export function endOf({ at, event }: LedgerEntry): Date {
  const isOfRow = event === "failure" || event === "validation";
  return new Date(Date.parse(at) + (isOfRow ? month : longest));
}

/** Finds the entries that count for limits of these names, and of their domains. */
export async function findIn(
  entries: readonly LedgerEntry[],
): Promise<(names: readonly string[]) => Promise<readonly LedgerEntry[]>> {
  const bySubject = new Map<string, LedgerEntry[]>();
  for (const entry of entries) {
    if (entry.event === "account" || entry.event === "order") continue;
    for (const subject of await subjectsOf(entry)) {
      const found = bySubject.get(subject);
      if (found === undefined) bySubject.set(subject, [entry]);
      else found.push(entry);
    }
  }
  return async (names) => {
    if (bySubject.size === 0) return [];
    const subjects = [
      ...(await subjectsOf({ event: "failure", names })),
      ...(await subjectsOf({ event: "certificate", names })),
    ];
    return [...new Set(subjects.flatMap((subject) => bySubject.get(subject) ?? []))];
  };
}

const setOf = (names: readonly string[]) => [...new Set(names)].toSorted().join(", ");

/** Until when the CA accepts no order of the account. */
export function pauseIn(
  { pauses }: Ledger,
  account: string | undefined,
  now: Date,
): (CaPause & { readonly end: Date }) | undefined {
  return pauses
    .map((one) => ({ ...one, end: new Date(one.until) }))
    .filter((one) => one.account === undefined || one.account === account)
    .filter(({ end }) => isAhead(end, now, longest))
    .toSorted((a, b) => b.end.getTime() - a.end.getTime())[0];
}

/** Milliseconds: the longest window of a limit, and the longest time that a CA is known to ask for. */
const longest = 7 * 24 * 3_600_000;

/** What counts for failures in a row: at five an hour, a name is paused after ten days. */
const month = 31 * 24 * 3_600_000;

/** The ledger with one thing more; what no limit can count any more is left out. */
export function withEntry(ledger: Ledger, entry: LedgerEntry, now: Date): Ledger {
  const kept = ledger.entries.filter((one) => endOf(one) >= now);
  return { ...ledger, entries: [...kept, entry] };
}

/** The ledger without one thing that came to nothing. */
export function withoutEntry(ledger: Ledger, entry: LedgerEntry): Ledger {
  const { entries } = ledger;
  const text = JSON.stringify(entry);
  const at = entries.findLastIndex((one) => JSON.stringify(one) === text);
  return { ...ledger, entries: entries.filter((_, index) => index !== at) };
}

/** The ledger with one pause more; those that have ended are left out. */
export function withPause(ledger: Ledger, pause: CaPause, now: Date): Ledger {
  const open = ledger.pauses.filter(({ until }) => new Date(until) > now);
  return { ...ledger, pauses: [...open, pause] };
}
