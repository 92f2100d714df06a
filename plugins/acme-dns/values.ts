/**
 * An account serves the last two values that it was given; a third pushes out the oldest. So at most two are reserved at a
 * time, and a caller that needs two reserves both at once.
 */
export interface TxtValues {
  /** Values that the server has, as far as this process knows. */
  readonly published: Set<string>;
  /** Time of the last update by `performance.now`. */
  updatedAt: number;
  /** Resolves when all of these are reserved; calls `onWait` if it has to wait. Rejects when the signal aborts. */
  reserve(values: readonly string[], signal: AbortSignal, onWait: () => void): Promise<void>;
  /** Makes room for another value; does nothing for a value that is not reserved. */
  release(value: string): void;
}

export const maxValues = 2;

export function txtValues(): TxtValues {
  const reserved = new Set<string>();
  const published = new Set<string>();
  let waiting: { values: readonly string[]; enter: () => void }[] = [];
  const fits = (values: readonly string[]) => new Set([...reserved, ...values]).size <= maxValues;
  const take = (values: readonly string[]) => {
    for (const value of values) reserved.add(value);
  };
  const admit = () => {
    for (let [first] = waiting; first !== undefined && fits(first.values); [first] = waiting) {
      take(first.values);
      waiting.shift();
      first.enter();
    }
  };
  return {
    published,
    updatedAt: Number.NEGATIVE_INFINITY,
    async reserve(values, signal, onWait) {
      signal.throwIfAborted();
      if (waiting.length === 0 && fits(values)) return take(values);
      onWait();
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
    release(value) {
      reserved.delete(value);
      published.delete(value);
      admit();
    },
  };
}
