/**
 * An account shows the last two values that it was given, and a third pushes the oldest out. So at most two are open at a
 * time, and who needs two takes both at once.
 */

export interface Slots {
  /** Values that the server has, as far as this process knows. */
  readonly shown: Set<string>;
  /** When the last one was set, on the clock of `performance.now`. */
  updatedAt: number;
  /** Resolves when all of these are open; those that are open already stay. Rejects when the signal aborts. */
  open(values: readonly string[], signal: AbortSignal): Promise<void>;
  /** What is closed makes room; a value that is not open is no error. */
  close(value: string): void;
  /** One piece of work at a time, in the order of arrival. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

export const most = 2;

export function slots(): Slots {
  const held = new Set<string>();
  const shown = new Set<string>();
  let waiting: { values: readonly string[]; enter: () => void }[] = [];
  let last: Promise<unknown> = Promise.resolve();
  const fits = (values: readonly string[]) => new Set([...held, ...values]).size <= most;
  const take = (values: readonly string[]) => {
    for (const value of values) held.add(value);
  };
  const admit = () => {
    for (let [first] = waiting; first !== undefined && fits(first.values); [first] = waiting) {
      take(first.values);
      waiting.shift();
      first.enter();
    }
  };
  return {
    shown,
    updatedAt: Number.NEGATIVE_INFINITY,
    async open(values, signal) {
      signal.throwIfAborted();
      if (waiting.length === 0 && fits(values)) return take(values);
      const { promise, resolve: enter, reject } = Promise.withResolvers<void>();
      const stop = () => {
        waiting = waiting.filter((one) => one.enter !== enter);
        reject(signal.reason);
        admit();
      };
      waiting.push({ values, enter });
      signal.addEventListener("abort", stop, { once: true });
      try {
        await promise;
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    close(value) {
      held.delete(value);
      shown.delete(value);
      admit();
    },
    inTurn(work) {
      const mine = last.then(work, work);
      last = mine;
      return mine;
    },
  };
}
