import { messageOf } from "../errors.ts";
import type { Solver } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { PendingOrder, PresentedChallenge, Store } from "../state/store.ts";
import { provenName, type PendingChallenge } from "./challenges.ts";
import type { IssueTools } from "./tools.ts";

/** A challenge that was presented, or may have been: `present` may have failed after it wrote something. */
export interface Presented {
  readonly challenge: PendingChallenge;
  /** What `present` returned; undefined when it failed. */
  readonly receipt: unknown;
}

/**
 * The journal of one run: everything that would have to be undone or resumed is on disk before it is done. Writes follow
 * each other, so that the file always holds the newest state.
 */
export interface Journal {
  /** What this run has presented and not cleaned up yet. */
  readonly presented: readonly Presented[];
  update(change: Partial<PendingOrder>): Promise<void>;
  /** Before `present`. */
  presenting(challenges: readonly PendingChallenge[]): Promise<void>;
  /** After `present`. */
  received(challenge: PendingChallenge, receipt: unknown): Promise<void>;
  /** After `cleanup`. */
  cleaned(challenges: readonly PendingChallenge[]): Promise<void>;
  /** The order is done with. What could not be cleaned up stays for the next run. */
  end(): Promise<void>;
}

export function openJournal(store: Store, start: PendingOrder): Journal {
  let pending = start;
  const receipts = new Map<PendingChallenge, unknown>();
  let writing: Promise<void> = Promise.resolve();
  const change = (next: (before: PendingOrder) => PendingOrder): Promise<void> => {
    pending = next(pending);
    // A write that failed has rejected for its caller; the next one starts afresh with the newest state.
    writing = writing.catch(() => undefined).then(() => store.journal.write(pending));
    return writing;
  };
  return {
    get presented() {
      return [...receipts].map(([challenge, receipt]) => ({ challenge, receipt }));
    },
    update: (fields) => change((before) => ({ ...before, ...fields })),
    async presenting(challenges) {
      await change((before) => ({
        ...before,
        presented: [...before.presented, ...challenges.map(entryOf)],
      }));
      for (const challenge of challenges) receipts.set(challenge, undefined);
    },
    received(challenge, receipt) {
      receipts.set(challenge, receipt);
      return change((before) => ({
        ...before,
        presented: before.presented.map((entry) =>
          isEntryOf(entry, challenge) ? { ...entry, receipt: receipt ?? null } : entry,
        ),
      }));
    },
    cleaned(challenges) {
      for (const challenge of challenges) receipts.delete(challenge);
      return change((before) => ({
        ...before,
        presented: before.presented.filter(
          (entry) => !challenges.some((challenge) => isEntryOf(entry, challenge)),
        ),
      }));
    },
    async end() {
      await writing.catch(() => undefined);
      const { orderUrl: _url, privateKey: _key, csr: _csr, ...rest } = pending;
      if (rest.presented.length === 0) await store.journal.remove(rest.name);
      else await store.journal.write(rest);
    },
  };
}

function entryOf({ solver, challenge }: PendingChallenge): PresentedChallenge {
  return { solver: solver.setting, type: challenge.type, challenge };
}

function isEntryOf(entry: PresentedChallenge, { solver, challenge }: PendingChallenge): boolean {
  return entry.solver.name === solver.setting.name && entry.challenge.token === challenge.token;
}

type LeftoverTools = Pick<IssueTools, "store" | "solvers" | "record" | "signal">;

/**
 * Undo what a killed run has presented, and end the journal of an order whose certificate is held. What cannot be undone now
 * stays in the journal for the next run; it never stops the one that tries.
 */
export async function cleanLeftovers(name: string, tools: LeftoverTools): Promise<void> {
  const { store } = tools;
  const known = await store.journal.read(name);
  if (known === undefined) return;
  const held = (await store.certificates.read(name))?.held;
  const isDone = known.orderUrl !== undefined && known.orderUrl === held?.meta.orderUrl;
  if (known.presented.length === 0 && !isDone) return;
  // Killed after the commit: neither the order nor its key is for the next certificate.
  const { orderUrl: _url, privateKey: _key, csr: _csr, ...ended } = known;
  const pending: PendingOrder = isDone ? ended : known;
  const left: PresentedChallenge[] = [];
  const bySolver = Map.groupBy(pending.presented, ({ solver }) => JSON.stringify(solver));
  for (const entries of bySolver.values()) left.push(...(await undoAll(name, entries, tools)));
  if (left.length === 0 && pending.orderUrl === undefined) await store.journal.remove(name);
  else await store.journal.write({ ...pending, presented: left });
}

/** By the solver as it was then: the options of this run are another's. Answers what could not be undone. */
async function undoAll(
  name: string,
  entries: readonly PresentedChallenge[],
  { solvers, record, signal }: LeftoverTools,
): Promise<readonly PresentedChallenge[]> {
  const [first] = entries;
  if (first === undefined) return [];
  const left: PresentedChallenge[] = [];
  const log = record.log("cleanup");
  const attempt = async (
    batch: readonly PresentedChallenge[],
    undo: (solver: Solver) => Promise<void>,
  ) => {
    const names = batch.map(({ challenge }) => provenName(challenge)).join(", ");
    try {
      signal.throwIfAborted();
      await undo((await solvers.reopen(first.solver)).solver);
      log.info(`removed what a former run left behind for ${names}`);
    } catch (error) {
      left.push(...batch);
      log.warn(describeFailure(name, batch, names, error));
    }
  };
  const solver = await solvers.reopen(first.solver).catch(() => undefined);
  if (entries.length > 1 && solver?.solver.cleanupAll !== undefined) {
    const items = entries.map(({ challenge, receipt }) => ({
      challenge,
      receipt: receipt ?? undefined,
    }));
    await attempt(entries, async (one) => one.cleanupAll?.(items, { signal }));
    return left;
  }
  for (const entry of entries) {
    await attempt([entry], (one) =>
      one.cleanup(entry.challenge, entry.receipt ?? undefined, { signal }),
    );
  }
  return left;
}

function describeFailure(
  name: string,
  entries: readonly PresentedChallenge[],
  names: string,
  error: unknown,
): string {
  const reason = messageOf(error);
  const records = entries.map(({ challenge }) =>
    challenge.type === "dns-01" ? challenge.recordName : challenge.token,
  );
  const places = [...new Set(records)].join(", ");
  return `solver ${entries[0]?.solver.name} could not remove what a former run left behind for ${names} (${places}): ${reason}; every run tries again until it can, or until acmectl delete ${name}`;
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
