/** A run with nothing to do notes until when that stays so: until then, the next ones do not read ten thousand certificates. */
import type { Context } from "../context.ts";
import { isRecord } from "../json.ts";
import type { Store } from "../state/store.ts";
import { storedCertificates, type Certificates } from "../status/certificates.ts";
import { alternatesFrom } from "../status/alternates.ts";
import { dueOf, offOf } from "../status/due.ts";
import { nextTurn, turnsToAsk } from "./ari.ts";
import { idleRenewals, isNothingOpen, month } from "./idle.ts";

/** Times in ISO 8601. */
export interface Quiet {
  /** The interval given for the schedule, for which this holds; absent if none was given, nor mattered. */
  readonly every?: number | undefined;
  readonly from: string;
  readonly until: string;
  /** The certificate that falls due first. */
  readonly next: { readonly name: string; readonly at: string };
}

/** What was noted, if it holds now: then there is nothing to do. */
export async function recallQuiet(
  store: Store,
  every: number | undefined,
  now: Date,
): Promise<Quiet | undefined> {
  const quiet = await store.certificates.recall();
  if (!isQuiet(quiet) || quiet.every !== every) return undefined;
  // Of a time that cannot be read, no comparison holds.
  if (!(now >= new Date(quiet.from) && now < new Date(quiet.until))) return undefined;
  return (await isNothingOpen(store)) ? quiet : undefined;
}

/** Note it about certificates of which `idleRenewals` found that there is nothing to do now. */
export async function noteQuiet(
  { certificates }: Certificates,
  every: number | undefined,
  store: Store,
  { clock }: Pick<Context, "clock">,
): Promise<void> {
  if (certificates.length < many) return;
  const now = clock.now();
  // Without a given interval, the machine is not asked for that of its schedule before it matters.
  const ends = certificates.flatMap((one) => [
    dueOf(one, now, every ?? month).at,
    nextTurn(one, every ?? 0, now) ?? [],
    alternatesFrom(one, now) ?? [],
    one.status.dane?.recheckAt === undefined ? [] : new Date(one.status.dane.recheckAt),
  ]);
  const until = earliest(ends.flat());
  const renewed = certificates.filter((one) => offOf(one) === undefined);
  const dues = renewed.map((one) => ({ name: one.name, at: dueOf(one, now, every).at }));
  const [next] = dues.toSorted((a, b) => a.at.getTime() - b.at.getTime());
  if (next === undefined || until <= now) return;
  const quiet: Quiet = {
    every,
    from: now.toISOString(),
    until: until.toISOString(),
    next: { name: next.name, at: next.at.toISOString() },
  };
  await store.certificates.note(quiet);
}

/** The same after a pass that changed what it has read. It has asked about its share, and the others wait for the next run. */
export async function noteAfterPass(
  { certificates }: Certificates,
  every: number | undefined,
  store: Store,
  { clock, signal }: Pick<Context, "clock" | "signal">,
): Promise<void> {
  if (certificates.length < many) return;
  await clock.sleep(settled, signal);
  await store.certificates.recall();
  const [interval, now] = [every ?? 0, clock.now()];
  const turns = turnsToAsk(certificates, interval, now);
  const after = await storedCertificates(store);
  const options = { force: false, every: interval };
  const idle = await idleRenewals(after, options, store, now, turns);
  if (idle !== undefined) await noteQuiet(after, every, store, { clock });
}

/** Milliseconds. Files that have only just changed may change again unseen. */
const settled = 250;

/** Of fewer, reading all of them costs as little. */
const many = 50;

function earliest(times: readonly Date[]): Date {
  return times.reduce((first, time) => (time < first ? time : first));
}

function isQuiet(value: unknown): value is Quiet {
  if (!isRecord(value)) return false;
  const { every = 0, from, until, next } = value;
  return (
    typeof every === "number" &&
    [from, until].every((time) => typeof time === "string") &&
    isRecord(next) &&
    [next["name"], next["at"]].every((text) => typeof text === "string")
  );
}
