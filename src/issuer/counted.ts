/** A CA whose limits are heeded: what counts for them is kept in the ledger, and what it would refuse is not asked. */
import type { AccountSession, Ca, NewOrder, Order } from "../acme/acme.ts";
import type { LimitName } from "../acme/presets.ts";
import type { Asking, LedgerEntry } from "../state/ledger.ts";
import { Problem } from "../problem.ts";
import { orderedName } from "../acme/objects/authorization.ts";
import { noteClock, openDesk, type Counting, type Desk } from "./desk.ts";

/** What counts for a limit is written down before it is asked for, and taken back if it is refused. */
export function countedCa(ca: Ca, counting: Counting): Ca {
  const behindFirst = oneAhead();
  const desk = openDesk(ca.url, counting);
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
    async close() {
      await noteClock(ca.url, ca.clockSkew, counting);
      await ca.close();
    },
  };
}

function countedSession(
  session: AccountSession,
  desk: Desk,
  behindFirst: ReturnType<typeof oneAhead>,
): AccountSession {
  const asking = (names: readonly string[], renewal?: true): Asking => {
    return { account: session.url, names, renewal };
  };
  const note = (event: LedgerEntry["event"], names: readonly string[], renewal?: true) =>
    desk.note({ event, account: session.url, names, renewal });
  /** URLs of orders that some limits do not count. */
  const renewals = new Set<string>();
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
    async newOrder(order, signal) {
      const renewal = order.renews === true && desk.free.length > 0;
      const asked = asking(namesOf(order), renewal || undefined);
      const placed = await behindFirst(() => countedOrder(order, asked, session, desk, signal));
      if (renewal) renewals.add(placed.url);
      return placed;
    },
    respond: (challenge, signal) =>
      desk.watch(asking([]), () => session.respond(challenge, signal)),
    async waitForAuthorization(url, waiting) {
      try {
        const valid = await session.waitForAuthorization(url, waiting);
        const { value } = orderedName(valid);
        if (await desk.hasFailed(value, session.url)) await note("validation", [value]);
        return valid;
      } catch (error) {
        const failed = failedName(error);
        if (failed !== undefined) await note("failure", [failed]);
        throw error;
      }
    },
    finalize: (order, csr, signal) =>
      desk.watch(asking(namesOf(order)), () => session.finalize(order, csr, signal)),
    async waitForOrder(order, waiting) {
      const valid = await session.waitForOrder(order, waiting);
      if (order.replaces === undefined)
        await note("certificate", namesOf(valid), renewals.has(order.url) ? true : undefined);
      return valid;
    },
  };
}

/** Limits do not count what replaces a certificate in time (RFC 9773), and some no renewal at all; the CA decides whether it does. */
async function countedOrder(
  order: NewOrder,
  asked: Asking,
  session: AccountSession,
  desk: Desk,
  signal: AbortSignal,
): Promise<Order> {
  const ofRenewal = orderLimits.filter((limit) => !desk.free.includes(limit));
  const counted = asked.renewal ? ofRenewal : orderLimits;
  const limits = order.replaces === undefined ? counted : [];
  const entry = await desk.reserve("order", asked, limits, signal);
  let isCounted = false;
  try {
    const placed = await desk.watch(asked, () => session.newOrder(order, signal));
    isCounted = placed.replaces === undefined;
    return placed;
  } finally {
    if (!isCounted) await desk.takeBack(entry);
  }
}

/** While no order was accepted one goes ahead, so that after a refusal no other one is under way; then all go side by side. */
function oneAhead() {
  let ahead: Promise<boolean> | undefined;
  return async function behindFirst<T>(place: () => Promise<T>): Promise<T> {
    if (ahead !== undefined) return (await ahead) ? place() : behindFirst(place);
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
