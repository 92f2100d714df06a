import type { Context } from "../context.ts";
import { durationOf } from "../dates.ts";
import { formatDuration } from "../options/duration.ts";
import type { HeldCertificate } from "../state/store.ts";
import { isShortLived, lifetimeOf } from "../status/due.ts";
import { findSchedules, foreignSchedules, timesIn } from "./found.ts";
import { gapOf } from "./gap.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { intervals } from "./times.ts";

const minute = 60_000;
/** Twelve runs in a lifetime: some in its second half, even if several fail or the machine is off. */
const runs = 12;
/** With fewer, a certificate expires when two runs fail. */
const fewest = 4;

/** A CA may announce a revocation a day before: two runs of which one fails must meet it. Minutes. */
const longest = 360;

/** Minutes between two runs, by the shortest lifetime of the certificates held. */
export function intervalFor(held: readonly HeldCertificate[]): number {
  const wanted = Math.min(longest, shortestOf(held) / runs / minute);
  return intervals.find((every) => every <= wanted) ?? intervals.at(-1) ?? 1;
}

/** True if a certificate may expire because `every` (minutes) is too rare for its lifetime. */
export function isTooRare(every: number, held: readonly HeldCertificate[]): boolean {
  return every * minute > shortestOf(held) / fewest && every > intervalFor(held);
}

/** CAs leave out the last second of a day. */
function shortestOf(held: readonly HeldCertificate[]): number {
  return Math.min(...held.map(({ meta }) => lifetimeOf(meta))) + minute;
}

/** `12h` in minutes. */
export function parsedInterval(written: string): number | undefined {
  return intervals.find((every) => writtenInterval(every) === written);
}

/** `12h`, as it is typed. */
export function writtenInterval(every: number): string {
  return formatDuration(every * minute);
}

/** Milliseconds between two runs of `acmectl renew` on this machine, by `schedule install` or by hand; 0 if unknown. */
export function intervalHere(context: Context): Promise<number> {
  return intervalOn(thisMachine(context));
}

export async function intervalOn(machine: Machine): Promise<number> {
  const found = await findSchedules(machine);
  const every = timesIn(found)?.every;
  const gaps = await Promise.all((await foreignSchedules(found, machine)).map(gapOf));
  const known = [every === undefined ? undefined : every * minute, ...gaps];
  const [shortest] = known.filter((gap) => gap !== undefined).toSorted((a, b) => a - b);
  return shortest ?? 0;
}

/** Warns if what runs here is too rare for one of these certificates. Looks at the machine only if one is short-lived. */
export async function warnOfRareSchedule(
  held: readonly HeldCertificate[],
  context: Context,
): Promise<void> {
  const warning = held.some(isShortLived) && (await rareSchedule(held, thisMachine(context)));
  if (warning) context.log.warn(warning, { step: "schedule" });
}

/** A warning if what runs here is too rare for these certificates, with the command that fixes it. */
export async function rareSchedule(
  held: readonly HeldCertificate[],
  machine: Machine,
): Promise<string | undefined> {
  const every = await intervalOn(machine);
  return every === 0 ? undefined : rareWarning(every / minute, held);
}

/** Undefined if `every` (minutes) is often enough for these certificates. */
export function rareWarning(every: number, held: readonly HeldCertificate[]): string | undefined {
  if (!isTooRare(every, held)) return undefined;
  const [interval, lifetime] = [durationOf(every * minute), durationOf(shortestOf(held))];
  return `Renewals run every ${interval}, which is too rare for a certificate that is valid for ${lifetime}. Run: acmectl schedule install --every ${writtenInterval(intervalFor(held))}`;
}

/** Undefined if `every` (minutes) is often enough to learn of a revocation in time. */
export function slowWarning(every: number): string | undefined {
  if (every <= longest) return undefined;
  const [interval, most] = [every, longest].map((minutes) => durationOf(minutes * minute));
  return `Renewals run every ${interval}, and a CA may announce a revocation only a day before, so its renewal information should be asked for at least every ${most}. Run: acmectl schedule install --every ${writtenInterval(longest)}`;
}
