/** Where requests are let through if the CA's limits leave room, and what came of them is written down. */
import { caName, type LimitName, type Limits } from "../acme/presets.ts";
import { isCaProblem } from "../acme/problems.ts";
import type { Clock } from "../clock.ts";
import { largestSkew } from "../skew.ts";
import { dateFrom } from "../dates.ts";
import type { Log } from "../plugin.ts";
import { Problem } from "../problem.ts";
import {
  allowancesFor,
  allowanceText,
  noEntries,
  pauseIn,
  withEntry,
  withoutEntry,
  withPause,
  type About,
  type Allowance,
  type Asking,
  type CaPause,
  type Ledger,
  type LedgerEntry,
} from "../state/ledger.ts";
import type { Store } from "../state/store.ts";

export interface Counting {
  readonly limits: Limits;
  readonly store: Pick<Store, "ledger" | "exists">;
  readonly clock: Clock;
  readonly log: Log;
}

/** The longest wait for a limit to leave room; a longer one stops the certificate instead. Milliseconds. */
const longestWait = 60_000;

export type Desk = ReturnType<typeof openDesk>;

export function openDesk(server: string, counting: Counting) {
  const { limits, store, clock } = counting;
  // Without a limit that is known nothing needs to be counted.
  const isCounting = Object.keys(limits).length > 0;
  const read = (about: About = noEntries) => store.ledger.read(server, about);
  const write = (change: Change, about: About) => update(server, counting, change, about);
  return {
    read,
    assertOpen: (known: Ledger, account: string | undefined) =>
      assertOpen(server, known, account, clock),
    async note(entry: Omit<LedgerEntry, "at">) {
      const noted = { at: clock.now().toISOString(), ...entry };
      if (isCounting) await write((now) => withEntry(now, noted, clock.now()), noEntries);
    },
    /** Write down what is about to be asked for, once there is room for it; rejects if that takes long. */
    async reserve(
      event: LedgerEntry["event"],
      asking: Asking,
      counted: readonly LimitName[],
      signal: AbortSignal,
    ): Promise<LedgerEntry> {
      const made = () => ({ at: clock.now().toISOString(), event, ...asking });
      for (;;) {
        assertOpen(server, await read(), asking.account, clock);
        let entry = made();
        if (!isCounting) return entry;
        let full: Full | undefined;
        await write(async (now) => {
          full = await fullIn(now, asking, counted, counting);
          entry = made();
          return full === undefined ? withEntry(now, entry, clock.now()) : now;
        }, aboutAll(asking));
        if (full === undefined) return entry;
        await untilRoom(full, server, counting, signal);
      }
    },
    async takeBack(entry: LedgerEntry) {
      const about = { events: [entry.event], account: entry.account, names: entry.names };
      if (isCounting) await write((now) => withoutEntry(now, entry), about);
    },
    /** Reject if the CA would refuse for long. */
    async assertRoom(asking: Asking, counted: readonly LimitName[]) {
      const full = await fullNow(server, asking, counted, counting);
      if (full !== undefined) assertSoon(full, server, counting);
    },
    /** Wait a moment, or reject, if the CA would refuse. */
    async await(asking: Asking, counted: readonly LimitName[], signal: AbortSignal) {
      const full = await fullNow(server, asking, counted, counting);
      if (full !== undefined) await untilRoom(full, server, counting, signal);
    },
    watch: <T>(asking: Asking, ask: () => Promise<T>) => watched(server, asking, ask, counting),
  };
}

function assertOpen(server: string, known: Ledger, account: string | undefined, clock: Clock) {
  const pause = pauseIn(known, account, clock.now());
  if (pause !== undefined) throw paused(server, pause, clock.now());
}

const aboutAll = ({ account, names }: Asking): About => ({
  account,
  names,
  events: ["account", "order", "certificate", "failure", "validation"],
});

async function fullNow(
  server: string,
  asking: Asking,
  counted: readonly LimitName[],
  counting: Counting,
): Promise<Full | undefined> {
  const known = await counting.store.ledger.read(server, aboutAll(asking));
  assertOpen(server, known, asking.account, counting.clock);
  return await fullIn(known, asking, counted, counting);
}

/** What `status` says of the clock until the CA is asked again. */
export async function noteClock(server: string, skew: number, counting: Counting): Promise<void> {
  const { store, clock } = counting;
  const isWrong = Math.abs(skew) > largestSkew;
  const isNews =
    isWrong || (skew !== 0 && (await store.ledger.read(server, noEntries)).clock !== undefined);
  if (!isNews || !(await store.exists())) return;
  const noted = isWrong ? { at: clock.now().toISOString(), skew } : undefined;
  await update(server, counting, (now) => ({ ...now, clock: noted }), noEntries);
}

/** What the CA says of all orders of the account, or of everyone, is kept. */
async function watched<T>(
  server: string,
  asking: Asking,
  ask: () => Promise<T>,
  counting: Counting,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const pause = await pauseOf(error, asking);
    if (pause === undefined) throw error;
    const now = counting.clock.now();
    await update(server, counting, (known) => withPause(known, pause, now), noEntries);
    const until = dateFrom(now, pause.until);
    counting.log.warn(
      `${caName(server)} accepts no orders${whose(pause)} before ${until}: ${pause.detail}`,
    );
    throw error;
  }
}

type Change = (ledger: Ledger) => Ledger | Promise<Ledger>;

/** What cannot be written is lost for the limits, and must not cost a certificate. */
async function update(
  server: string,
  { store, log }: Counting,
  change: Change,
  about: About,
): Promise<void> {
  await store.ledger.update(server, change, about).catch((error: unknown) => {
    if (!Problem.is(error)) throw error;
    log.warn(`what counts for the limits of ${caName(server)} was not kept: ${error.message}`);
  });
}

/** A limit that leaves no room, and when it does. */
interface Full {
  readonly used: Allowance;
  readonly next: Date;
}

/** The one of these limits that leaves no room for the longest time. */
async function fullIn(
  known: Ledger,
  asking: Asking,
  counted: readonly LimitName[],
  { limits, clock }: Counting,
): Promise<Full | undefined> {
  return (await allowancesFor(asking, known, limits, clock.now()))
    .filter(({ limit }) => counted.includes(limit))
    .flatMap((used): Full[] => (used.next === undefined ? [] : [{ used, next: used.next }]))
    .toSorted((a, b) => Number(b.next) - Number(a.next))[0];
}

/** Milliseconds until there is room; rejects if that takes long. */
function assertSoon({ used, next }: Full, server: string, { clock }: Counting): number {
  const wait = next.getTime() - clock.now().getTime();
  if (wait > longestWait) throw usedUp(server, used, next, clock.now());
  return wait;
}

async function untilRoom(
  full: Full,
  server: string,
  counting: Counting,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = counting;
  const { used } = full;
  const wait = assertSoon(full, server, counting);
  log.info(`waiting ${Math.ceil(wait / 1000)} s: ${allowanceText(used)} at ${caName(server)}`);
  await clock.sleep(wait, signal);
}

/** What an answer says about all orders of the account, or of everyone; undefined if it is about these names, or no limit. */
async function pauseOf(error: unknown, { account, names }: Asking): Promise<CaPause | undefined> {
  if (!Problem.is(error) || error.exitCode !== 6 || error.retryAt === undefined) return undefined;
  if (isOurs(error) || (await isAboutNames(error, names))) return undefined;
  const isLimit = isCaProblem(error, "rateLimited");
  const until = error.retryAt.toISOString();
  return { until, account: isLimit ? account : undefined, detail: error.message };
}

const whose = ({ account }: Pick<CaPause, "account">) =>
  account === undefined ? "" : " of this account";

/** A Problem of this file, for which the CA was not asked. */
const isOurs = (problem: Problem) =>
  problem.is("limit") || (problem.is("backoff") && problem.document.status === undefined);

/** No error type says whether a limit is for one name or for the account (RFC 8555 §6.6); the words do. */
async function isAboutNames(problem: Problem, names: readonly string[]): Promise<boolean> {
  const { identifier, subproblems = [] } = problem.document;
  if (identifier !== undefined || subproblems.some((one) => one.identifier !== undefined))
    return true;
  if (/\b(?:exact|identical|same|duplicate)\b/i.test(problem.message)) return true;
  const { registeredDomain } = await import("../acme/registered-domain.ts");
  return names.some((name) => problem.message.includes(registeredDomain(name)));
}

function paused(server: string, pause: CaPause & { readonly end: Date }, now: Date): Problem {
  const { end, detail } = pause;
  return new Problem("backoff", {
    detail: `${caName(server)} accepts no orders${whose(pause)} before ${dateFrom(now, end)}: ${detail}`,
    hint: "Wait until then: the CA was not asked again, since asking earlier may extend the limit.",
    retryAt: end,
    fromCa: true,
  });
}

function usedUp(server: string, used: Allowance, next: Date, now: Date): Problem {
  return new Problem("limit", {
    detail: `${caName(server)} would refuse the order: ${allowanceText(used)}. One more is possible ${dateFrom(now, next)}.`,
    hint: `Wait until then. If the CA has granted you more, set limits: { ${used.limit}: NUMBER/TIME } at the issuer in the config.`,
    retryAt: next,
    fromCa: true,
  });
}
