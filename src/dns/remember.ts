/**
 * Remember what `load` found for a key for a while. Callers of one run (one signal) share a question that is under way; a
 * failure is not remembered.
 */
export function remembered<T>(
  milliseconds: number,
  load: (key: string, signal: AbortSignal) => Promise<T>,
): (key: string, signal: AbortSignal) => Promise<T> {
  const known = new Map<string, { value: T; until: number }>();
  const underWay = new WeakMap<AbortSignal, Map<string, Promise<T>>>();
  return (key, signal) => {
    const found = known.get(key);
    if (found !== undefined && found.until > performance.now()) return Promise.resolve(found.value);
    const mine = underWay.get(signal) ?? new Map<string, Promise<T>>();
    underWay.set(signal, mine);
    const loading =
      mine.get(key) ??
      load(key, signal)
        .then((value) => {
          known.set(key, { value, until: performance.now() + milliseconds });
          return value;
        })
        .finally(() => mine.delete(key));
    mine.set(key, loading);
    return loading;
  };
}
