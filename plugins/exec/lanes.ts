/** So many pieces of work at once, and of those with one key one after the other, in the order of arrival. */

export type InLane = <T>(key: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

export function lanes(limit: number): InLane {
  const busy = new Set<string>();
  let waiting: { key: string; enter: () => void }[] = [];
  const admit = () => {
    for (const one of waiting) {
      if (busy.size >= limit) return;
      if (busy.has(one.key)) continue;
      busy.add(one.key);
      waiting = waiting.filter((other) => other !== one);
      one.enter();
    }
  };
  return async (key, signal, work) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const one = { key, enter: resolve };
    const stop = () => {
      if (!waiting.includes(one)) return;
      waiting = waiting.filter((other) => other !== one);
      reject(signal.reason);
    };
    signal.throwIfAborted();
    signal.addEventListener("abort", stop, { once: true });
    waiting.push(one);
    admit();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    try {
      return await work();
    } finally {
      busy.delete(key);
      admit();
    }
  };
}
