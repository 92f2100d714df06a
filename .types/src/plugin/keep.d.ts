/** What is asked once and then known. */
/** The result of the first call that succeeds, for all calls. */
export declare function once<T>(
  work: (signal: AbortSignal) => Promise<T>,
): (signal: AbortSignal) => Promise<T>;
/** The same by key: what was found out for one is asked again only if it failed. */
export declare function onceEach<T>(): (key: string, work: () => Promise<T>) => Promise<T>;
export interface AccessToken {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}
/** One token for all calls, renewed two minutes before it ends. */
export declare function keepToken(
  renew: (signal: AbortSignal) => Promise<AccessToken>,
): (signal: AbortSignal) => Promise<string>;
