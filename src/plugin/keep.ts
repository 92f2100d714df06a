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

export interface AccessToken {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** Milliseconds before its end at which a token is renewed. */
const margin = 120_000;

/** One token for all calls, renewed two minutes before it ends. */
export function keepToken(
  renew: (signal: AbortSignal) => Promise<AccessToken>,
): (signal: AbortSignal) => Promise<string> {
  let kept: { readonly token: Promise<AccessToken>; expires: number } | undefined;
  const renewed = (signal: AbortSignal) => {
    const entry = { token: renew(signal), expires: Number.POSITIVE_INFINITY };
    entry.token.then(
      ({ expires }) => (entry.expires = expires),
      () => (kept = undefined),
    );
    return entry;
  };
  return async (signal) => {
    if (kept === undefined || kept.expires - margin < Date.now()) kept = renewed(signal);
    return (await kept.token).value;
  };
}
