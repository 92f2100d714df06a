import type { Order } from "../acme/acme.ts";
import type { CertificateRequest } from "../certificate.ts";
import { Problem } from "../problem.ts";
import { requestHash } from "../request/drift.ts";
import type { Lock, OrderPair, OrderProgress, PendingOrder, Store } from "../state/store.ts";
import type { PendingChallenge } from "./proof/challenges.ts";
import type { LeftoverTools } from "./tools.ts";

/** A challenge that was presented, or may have been: `present` may have failed after it wrote something. */
export interface Presented {
  readonly challenge: PendingChallenge;
  /** What `present` returned; undefined when it failed. */
  readonly receipt: unknown;
}

type OrderKey = Pick<PendingOrder, "csr" | "privateKey">;

/**
 * The journal of one run: everything that would have to be undone or resumed is on disk before it is done. Writes follow
 * each other, so that the file always holds the newest state.
 */
export interface Journal extends OrderJournal {
  /** For the order of the second key; the first one stays until both certificates are committed. */
  readonly second: OrderJournal;
}

/** The journal as the steps of one order use it. */
export interface OrderJournal {
  /** The order of an earlier run, with its key, if that run did not end. */
  readonly unfinished: OrderProgress | undefined;
  /** Rejects if another run works on the certificate by now. */
  assertOwn(): Promise<void>;
  /** What this run has presented and not cleaned up yet. */
  presented(): readonly Presented[];
  /** A new order takes the place of an unfinished one; with its key, if that is made already. */
  begin(
    order: Order,
    request: CertificateRequest,
    accountId: string,
    key?: OrderKey,
  ): Promise<void>;
  /** Before finalization. */
  finalizing(key: OrderKey): Promise<void>;
  /** Before `present`. */
  presenting(challenges: readonly PendingChallenge[]): Promise<void>;
  /** After `present`. */
  received(challenge: PendingChallenge, receipt: unknown): Promise<void>;
  /** After `cleanup`. */
  cleaned(challenges: readonly PendingChallenge[]): Promise<void>;
  /** The order is done with. What could not be cleaned up stays for the next run. */
  end(): Promise<void>;
}

/**
 * The journal of a certificate, once what a killed run left behind is cleaned up as far as it can be. The unfinished order is the
 * one for this request, if there is one: another CA may have been asked since.
 */
export async function openJournal(
  name: string,
  tools: LeftoverTools,
  request?: CertificateRequest,
  lock?: Lock,
): Promise<Journal> {
  const { clock, store } = tools;
  const found = await cleanLeftovers(name, tools);
  const unfinished =
    found && (await (await import("./unfinished.ts")).resumable(found, request, tools));
  // What an earlier run could not clean up stays, whatever becomes of its order.
  const { presented: left, ...known } = unfinished ?? { name, ...noOrder, presented: [] };
  let order: Omit<PendingOrder, "presented"> = known;
  const receipts = new Map<PendingChallenge, unknown>();
  const writes = inTurn(() =>
    store.journal.write({ ...order, presented: [...left, ...recordsOf(receipts)] }),
  );
  const change = (fields: Partial<PendingOrder>): Promise<void> => {
    order = { ...order, ...fields };
    return writes.next();
  };
  const assertOwn = () => lock?.assertHeld() ?? Promise.resolve();
  const ofChallenges = { ...challengeCalls(receipts, () => change({})), assertOwn };
  const second: OrderJournal = {
    ...ofChallenges,
    unfinished: unfinished?.second,
    begin: (...placed) => change({ second: begun(clock, ...placed) }),
    finalizing: (key) => change({ second: { ...(order.second ?? noOrder), ...key } }),
    end: () => change({ second: undefined }),
  };
  return {
    ...ofChallenges,
    unfinished,
    begin: (...placed) => change(besideOthers(begun(clock, ...placed), order, clock)),
    finalizing: async (key) =>
      order.finalizing && order.csr === key.csr ? undefined : change({ ...key, finalizing: true }),
    second,
    async end() {
      await writes.ended();
      const others = stillOpen(order.others, clock);
      const isEmpty = left.length + receipts.size === 0 && others === undefined;
      await (isEmpty ? store.journal.remove(name) : change({ ...ended, others }));
    },
  };
}

function challengeCalls(receipts: Map<PendingChallenge, unknown>, write: () => Promise<void>) {
  return {
    presented: () => [...receipts].map(([challenge, receipt]) => ({ challenge, receipt })),
    presenting(challenges) {
      for (const challenge of challenges) receipts.set(challenge, undefined);
      return write();
    },
    async received(challenge, receipt) {
      receipts.set(challenge, receipt ?? null);
      // Without a receipt all that is known is on disk.
      if (receipt !== undefined && receipt !== null) await write();
    },
    cleaned(challenges) {
      for (const challenge of challenges) receipts.delete(challenge);
      return write();
    },
  } satisfies Partial<Journal>;
}

/** That of the CA that was asked last, then those of others. */
export function ordersIn({
  others = [],
  ...order
}: Omit<PendingOrder, "presented">): readonly OrderPair[] {
  const { name: _, ...last } = order;
  return [last, ...others];
}

/** The new order in the place of an earlier one of its CA; those at other CAs stay. */
function besideOthers(
  fresh: OrderProgress,
  before: Omit<PendingOrder, "presented">,
  clock: LeftoverTools["clock"],
): Partial<PendingOrder> {
  const isElsewhere = ({ orderUrl, directory }: OrderPair) =>
    orderUrl !== undefined && directory !== fresh.directory;
  const others = stillOpen(ordersIn(before).filter(isElsewhere), clock);
  return { ...fresh, second: isElsewhere(before) ? undefined : before.second, others };
}

/** Those that their CA has not forgotten by its own words: their URLs could not be found again. Undefined if there are none. */
export function stillOpen(
  orders: readonly OrderPair[] | undefined,
  clock: LeftoverTools["clock"],
): readonly OrderPair[] | undefined {
  const now = clock.now();
  const open = orders?.filter(({ expires }) => expires === undefined || new Date(expires) > now);
  return open?.length === 0 ? undefined : open;
}

function recordsOf(receipts: ReadonlyMap<PendingChallenge, unknown>): PendingOrder["presented"] {
  return [...receipts].map(([{ solver, challenge }, receipt]) => {
    return { solver: solver.setting, type: challenge.type, challenge, receipt };
  });
}

function begun(
  clock: LeftoverTools["clock"],
  ...[{ url, expires }, request, accountId, key]: Parameters<OrderJournal["begin"]>
): OrderProgress {
  return {
    orderUrl: url,
    directory: request.issuer.server,
    accountId,
    requestHash: requestHash(request),
    startedAt: clock.now().toISOString(),
    expires: expires?.toISOString(),
    csr: key?.csr,
    privateKey: key?.privateKey,
    finalizing: undefined,
  };
}

/** Writes the newest state, one write after the other. Changes that wait for the same write share it. */
function inTurn(write: () => Promise<void>) {
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const ended = () => last.catch(() => undefined);
  return {
    ended,
    next(): Promise<void> {
      // A write that failed has rejected for its callers; the next one starts afresh.
      next ??= ended().then(() => {
        next = undefined;
        return write();
      });
      return (last = next);
    },
  };
}

/** Before an order is placed, and of a rehearsal, which has none. */
const noOrder = { directory: "none", accountId: "none", requestHash: "none", startedAt: "none" };

/** Neither the order nor its key is for the next certificate. */
export const ended = {
  orderUrl: undefined,
  privateKey: undefined,
  csr: undefined,
  finalizing: undefined,
  second: undefined,
  expires: undefined,
};

/** True when the run that died had begun to finalize, so that the names were proven. */
export function mayBeProven(
  unfinished: OrderProgress | undefined,
  request: CertificateRequest,
): boolean {
  return unfinished?.csr !== undefined && unfinished.requestHash === requestHash(request);
}

/**
 * Undo what a killed run has presented, and end the journal of an order whose certificate is held. What cannot be undone now
 * stays in the journal for the next run; it never stops the one that tries. Answers what the journal has then.
 */
export async function cleanLeftovers(
  name: string,
  tools: LeftoverTools,
): Promise<PendingOrder | undefined> {
  const known = await tools.store.journal.read(name);
  return known && (await import("./leftovers.ts")).clean(known, tools);
}

/** The same for every certificate whose lock is free: called once at the start of a command that issues. */
export async function cleanAllLeftovers(tools: LeftoverTools): Promise<void> {
  for (const name of await tools.store.journal.names()) {
    const lock = await freeLock(tools.store, name, tools.signal);
    if (lock === undefined) continue;
    try {
      await cleanLeftovers(name, tools);
    } finally {
      await lock.release();
    }
  }
}

async function freeLock(store: Store, name: string, signal: AbortSignal) {
  try {
    return await store.lock(`certificate:${name}`, { wait: 0, signal });
  } catch (error) {
    if (Problem.is(error) && error.is("locked")) return undefined;
    throw error;
  }
}
