/** What is asked once and then known. */

/** The result of the first call that succeeds, for all calls. */
export function once<T>(
  work: (signal: AbortSignal) => Promise<T>,
): (signal: AbortSignal) => Promise<T> {
  const remember = onceEach<T>();
  return (signal) => remember("", () => work(signal));
}

/** The same by key: what was found out for one is asked again only if it failed. */
export function onceEach<T>(): (key: string, work: () => Promise<T>) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (key, work) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const asked = work();
    known.set(key, asked);
    asked.catch(() => known.delete(key));
    return asked;
  };
}
