/** A CA whose limits are heeded: what counts for them is kept in the ledger, and what it would refuse is not asked. */
import type { AccountSession, Authorization, Ca, NewOrder, Order } from "../acme/acme.ts";
import { presetOf, type LimitName, type Limits } from "../acme/presets.ts";
import { failuresInARow, type Asking, type LedgerEntry } from "../state/ledger.ts";
import { Problem } from "../problem.ts";
import { orderedName } from "../acme/objects/authorization.ts";
import { noteClock, openDesk, type Counting, type Desk } from "./desk.ts";

/** What counts for a limit is written down before it is asked for, and taken back if it is refused. */
export function countedCa(ca: Ca, counting: Counting): Ca {
  const behindFirst = oneAhead();
  const desk = openDesk(ca.url, counting);
  const rules = { limits: counting.limits, free: presetOf(ca.url)?.freeForRenewals ?? [] };
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
    session: (key, url) => countedSession(ca.session(key, url), desk, behindFirst, rules),
    async close() {
      await noteClock(ca.url, ca.clockSkew, counting);
      await ca.close();
    },
  };
}

interface Rules {
  readonly limits: Limits;
  /** Limits toward which renewals do not count. */
  readonly free: readonly LimitName[];
}

function countedSession(
  session: AccountSession,
  desk: Desk,
  behindFirst: ReturnType<typeof oneAhead>,
  rules: Rules,
): AccountSession {
  const asking = (names: readonly string[], renewal?: true): Asking => {
    return { account: session.url, names, renewal };
  };
  const note = (event: LedgerEntry["event"], names: readonly string[], renewal?: true) =>
    desk.note({ event, account: session.url, names, renewal });
  const askedBy = (order: NewOrder) => asking(namesOf(order), renewalOf(order, rules));
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
    assertRoom: (order) => desk.assertRoom(askedBy(order), limitsFor(order, rules)),
    async newOrder(order, signal) {
      const asked = askedBy(order);
      const placed = await behindFirst(() =>
        countedOrder(order, asked, session, desk, rules, signal),
      );
      if (asked.renewal) renewals.add(placed.url);
      return placed;
    },
    respond: (challenge, signal) =>
      desk.watch(asking([]), () => session.respond(challenge, signal)),
    waitForAuthorization: (url, waiting) =>
      countedValidation(session.waitForAuthorization(url, waiting), session, desk, rules),
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

async function countedValidation(
  waiting: Promise<Authorization>,
  { url: account }: Pick<AccountSession, "url">,
  desk: Desk,
  { limits }: Rules,
): Promise<Authorization> {
  const valid = await waiting.catch(async (error: unknown) => {
    const failed = failedName(error);
    if (failed !== undefined) await desk.note({ event: "failure", account, names: [failed] });
    throw error;
  });
  if (limits.failuresInARow === undefined) return valid;
  const { value } = orderedName(valid);
  const about = { events: ["failure", "validation"], account, names: [value] } as const;
  const own = (await desk.read(about)).entries.filter((one) => one.account === account);
  // Of other names it does not matter.
  if (failuresInARow(value, own).length > 0)
    await desk.note({ event: "validation", account, names: [value] });
  return valid;
}

function renewalOf({ renews }: NewOrder, { free }: Rules): true | undefined {
  return (renews === true && free.length > 0) || undefined;
}

/** Limits do not count what replaces a certificate in time (RFC 9773), and some no renewal at all; the CA decides whether it does. */
function limitsFor({ replaces, renews }: NewOrder, { free }: Rules): readonly LimitName[] {
  if (replaces !== undefined) return [];
  return renews === true ? orderLimits.filter((limit) => !free.includes(limit)) : orderLimits;
}

async function countedOrder(
  order: NewOrder,
  asked: Asking,
  session: AccountSession,
  desk: Desk,
  rules: Rules,
  signal: AbortSignal,
): Promise<Order> {
  const entry = await desk.reserve("order", asked, limitsFor(order, rules), signal);
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
