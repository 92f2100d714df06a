/** A CA whose limits are heeded: what counts for them is kept in the ledger, and what it would refuse is not asked. */
import type { AccountSession, Ca, NewOrder } from "../acme/acme.ts";
import { caName, type LimitName, type Limits } from "../acme/presets.ts";
import { isCaProblem } from "../acme/problems.ts";
import type { Clock } from "../clock.ts";
import { dateFrom } from "../dates.ts";
import type { Log } from "../plugin.ts";
import { Problem } from "../problem.ts";
import {
  allowancesFor,
  allowanceText,
  pauseIn,
  withEntry,
  withoutEntry,
  withPause,
  type Allowance,
  type Asking,
  type CaPause,
  type Ledger,
  type LedgerEntry,
} from "../state/ledger.ts";
import type { Store } from "../state/store.ts";

interface Counting {
  readonly limits: Limits;
  readonly store: Pick<Store, "ledger">;
  readonly clock: Clock;
  readonly log: Log;
}

/** The longest wait for a limit to leave room; a longer one stops the certificate instead. Milliseconds. */
const longestWait = 60_000;

/** What counts for a limit is written down before it is asked for, and taken back if it is refused. */
export function countedCa(ca: Ca, counting: Counting): Ca {
  const behindFirst = oneAhead();
  const desk = openDesk(ca, counting);
  return {
    url: ca.url,
    flags: ca.flags,
    extraRoots: ca.extraRoots,
    get clockSkew() {
      return ca.clockSkew;
    },
    directory: async (signal) => {
      desk.assertOpen(await desk.read(), undefined);
      return desk.watch({ account: undefined, names: [] }, () => ca.directory(signal));
    },
    prepare(signal) {
      const begin = async () => {
        desk.assertOpen(await desk.read(), undefined);
        ca.prepare(signal);
      };
      // The call that needs it says why it may not be asked.
      begin().catch(() => undefined);
    },
    renewalInfo: (id, signal) => ca.renewalInfo(id, signal),
    session: (key, url) => countedSession(ca.session(key, url), desk, behindFirst),
    close: () => ca.close(),
  };
}

type Desk = ReturnType<typeof openDesk>;

function countedSession(
  session: AccountSession,
  desk: Desk,
  behindFirst: ReturnType<typeof oneAhead>,
): AccountSession {
  const asking = (names: readonly string[]): Asking => ({ account: session.url, names });
  const note = (event: LedgerEntry["event"], names: readonly string[]) =>
    desk.note({ event, account: session.url, names });
  return {
    ...session,
    get url() {
      return session.url;
    },
    get thumbprint() {
      return session.thumbprint;
    },
    async register(account, signal) {
      await desk.await(asking([]), ["accountsPerMachine"], signal);
      const made = await desk.watch(asking([]), () => session.register(account, signal));
      await note("account", []);
      return made;
    },
    newOrder: (order, signal) =>
      behindFirst(async () => {
        const asked = asking(namesOf(order));
        // Limits do not count what replaces a certificate in time (RFC 9773); the CA decides whether it does.
        const limits = order.replaces === undefined ? orderLimits : [];
        const entry = await desk.reserve("order", asked, limits, signal);
        let isCounted = false;
        try {
          const placed = await desk.watch(asked, () => session.newOrder(order, signal));
          isCounted = placed.replaces === undefined;
          return placed;
        } finally {
          if (!isCounted) await desk.takeBack(entry);
        }
      }),
    respond: (challenge, signal) =>
      desk.watch(asking([]), () => session.respond(challenge, signal)),
    waitForAuthorization: (url, waiting) =>
      session.waitForAuthorization(url, waiting).catch(async (error: unknown) => {
        const failed = failedName(error);
        if (failed !== undefined) await note("failure", [failed]);
        throw error;
      }),
    finalize: (order, csr, signal) =>
      desk.watch(asking(namesOf(order)), () => session.finalize(order, csr, signal)),
    async waitForOrder(order, waiting) {
      const valid = await session.waitForOrder(order, waiting);
      if (order.replaces === undefined) await note("certificate", namesOf(valid));
      return valid;
    },
  };
}

/** While no order was accepted one goes ahead, so that after a refusal no other one is under way; then all go side by side. */
function oneAhead() {
  let ahead: Promise<boolean> | undefined;
  return async function behindFirst<T>(place: () => Promise<T>): Promise<T> {
    while (ahead !== undefined) if (await ahead) return place();
    const first = place();
    ahead = first.then(
      () => true,
      () => {
        ahead = undefined;
        return false;
      },
    );
    return first;
  };
}

function failedName(error: unknown): string | undefined {
  return Problem.is(error) && error.is("validation") ? error.document.identifier?.value : undefined;
}

const orderLimits: readonly LimitName[] = [
  "ordersPerAccount",
  "certificatesPerDomain",
  "certificatesPerSet",
  "failuresPerName",
];

function namesOf({ identifiers }: Pick<NewOrder, "identifiers">): readonly string[] {
  return identifiers.map(({ value }) => value);
}

/** A limit that leaves no room, and when it does. */
interface Full {
  readonly used: Allowance;
  readonly next: Date;
}

/** Where requests are let through, and what came of them is written down. */
function openDesk(ca: Ca, { limits, store: { ledger }, clock, log }: Counting) {
  const read = () => ledger.read(ca.url);
  /** What cannot be written is lost for the limits, and must not cost a certificate. */
  const write = async (change: (ledger: Ledger) => Ledger | Promise<Ledger>) => {
    await ledger.update(ca.url, change).catch((error: unknown) => {
      if (!Problem.is(error)) throw error;
      log.warn(`what counts for the limits of ${caName(ca.url)} was not kept: ${error.message}`);
    });
  };
  const assertOpen = (known: Ledger, account: string | undefined) => {
    const pause = pauseIn(known, account, clock.now());
    if (pause !== undefined) throw paused(ca.url, pause, clock.now());
  };
  // Without a limit that is known nothing needs to be counted.
  const isCounting = Object.keys(limits).length > 0;
  const fullIn = async (known: Ledger, asking: Asking, counted: readonly LimitName[]) =>
    (await allowancesFor(asking, known, limits, clock.now()))
      .filter(({ limit }) => counted.includes(limit))
      .flatMap((used): Full[] => (used.next === undefined ? [] : [{ used, next: used.next }]))
      .toSorted((a, b) => Number(b.next) - Number(a.next))[0];
  const untilRoom = async ({ used, next }: Full, signal: AbortSignal) => {
    const wait = next.getTime() - clock.now().getTime();
    if (wait > longestWait) throw usedUp(ca.url, used, next, clock.now());
    log.info(`waiting ${Math.ceil(wait / 1000)} s: ${allowanceText(used)} at ${caName(ca.url)}`);
    await clock.sleep(wait, signal);
  };
  return {
    read,
    assertOpen,
    async note(entry: Omit<LedgerEntry, "at">) {
      const noted = { at: clock.now().toISOString(), ...entry };
      if (isCounting) await write((now) => withEntry(now, noted, clock.now()));
    },
    /** Write down what is about to be asked for, once there is room for it; rejects if that takes long. */
    async reserve(
      event: LedgerEntry["event"],
      asking: Asking,
      counted: readonly LimitName[],
      signal: AbortSignal,
    ): Promise<LedgerEntry> {
      const entry = () => ({ at: clock.now().toISOString(), event, ...asking });
      for (;;) {
        assertOpen(await read(), asking.account);
        if (!isCounting) return entry();
        let made = entry();
        let full: Full | undefined;
        await write(async (now) => {
          full = await fullIn(now, asking, counted);
          made = entry();
          return full === undefined ? withEntry(now, made, clock.now()) : now;
        });
        if (full === undefined) return made;
        await untilRoom(full, signal);
      }
    },
    async takeBack(entry: LedgerEntry) {
      if (isCounting) await write((now) => withoutEntry(now, entry));
    },
    /** Wait a moment, or reject, if the CA would refuse. */
    async await(asking: Asking, counted: readonly LimitName[], signal: AbortSignal) {
      const known = await read();
      assertOpen(known, asking.account);
      const full = await fullIn(known, asking, counted);
      if (full !== undefined) await untilRoom(full, signal);
    },
    /** Keep what the CA says of all orders of the account, or of everyone. */
    async watch<T>(asking: Asking, ask: () => Promise<T>): Promise<T> {
      try {
        return await ask();
      } catch (error) {
        const pause = await pauseOf(error, asking);
        if (pause === undefined) throw error;
        await write((now) => withPause(now, pause, clock.now()));
        log.warn(
          `${caName(ca.url)} accepts no orders${whose(pause)} before ${dateFrom(clock.now(), pause.until)}: ${pause.detail}`,
        );
        throw error;
      }
    },
  };
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
const isOurs = (problem: Problem) => problem.is("backoff") && problem.document.status === undefined;

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
  });
}

function usedUp(server: string, used: Allowance, next: Date, now: Date): Problem {
  return new Problem("backoff", {
    detail: `${caName(server)} would refuse the order: ${allowanceText(used)}. One more is possible ${dateFrom(now, next)}.`,
    hint: `Wait until then. If the CA has granted you more, set limits: { ${used.limit}: NUMBER/TIME } at the issuer in the config.`,
    retryAt: next,
  });
}
