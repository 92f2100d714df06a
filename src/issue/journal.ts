import type { PendingOrder, PresentedChallenge, Store } from "../state/store.ts";
import type { Attempt } from "./challenges.ts";

/**
 * The journal of one run: everything that would have to be undone or resumed is on disk before it is done. Writes follow
 * each other, so that the file always holds the newest state.
 */
export interface Journal {
  readonly pending: PendingOrder;
  update(change: Partial<PendingOrder>): Promise<void>;
  /** Before `present`. */
  presenting(attempts: readonly Attempt[]): Promise<void>;
  /** After `present`. */
  presented(attempt: Attempt, receipt: unknown): Promise<void>;
  /** After `cleanup`. */
  cleaned(attempts: readonly Attempt[]): Promise<void>;
  /** The order is done with. What could not be cleaned up stays for the next run. */
  end(): Promise<void>;
}

export function openJournal(store: Store, start: PendingOrder): Journal {
  let pending = start;
  let writing: Promise<void> = Promise.resolve();
  const change = (next: (before: PendingOrder) => PendingOrder): Promise<void> => {
    pending = next(pending);
    // A write that failed has told its caller; the next one starts afresh with the newest state.
    writing = writing.catch(() => undefined).then(() => store.journal.write(pending));
    return writing;
  };
  return {
    get pending() {
      return pending;
    },
    update: (fields) => change((before) => ({ ...before, ...fields })),
    presenting: (attempts) =>
      change((before) => ({
        ...before,
        presented: [...before.presented, ...attempts.map(entryOf)],
      })),
    presented: (attempt, receipt) =>
      change((before) => ({
        ...before,
        presented: before.presented.map((entry) =>
          isEntryOf(entry, attempt) ? { ...entry, receipt } : entry,
        ),
      })),
    cleaned: (attempts) =>
      change((before) => ({
        ...before,
        presented: before.presented.filter(
          (entry) => !attempts.some((attempt) => isEntryOf(entry, attempt)),
        ),
      })),
    end: async () => {
      await writing.catch(() => undefined);
      const { orderUrl: _url, privateKey: _key, csr: _csr, ...rest } = pending;
      if (rest.presented.length === 0) await store.journal.remove(rest.name);
      else await store.journal.write(rest);
    },
  };
}

function entryOf({ open, challenge }: Attempt): PresentedChallenge {
  return { solver: open.setting, type: challenge.type, challenge };
}

function isEntryOf(entry: PresentedChallenge, { open, challenge }: Attempt): boolean {
  return entry.solver.name === open.setting.name && entry.challenge.token === challenge.token;
}
