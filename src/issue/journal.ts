import type { PendingOrder, PresentedChallenge, Store } from "../state/store.ts";
import type { PendingChallenge } from "./challenges.ts";

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
