import type { Log } from "../plugin.ts";
import { Refusal } from "./refusal.ts";
export interface JsonRequest {
  readonly url: string;
  /** `GET` when absent. */
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** Sent as the body, with its content type. */
  readonly json?: object | undefined;
}
/** How a provider refuses. */
export interface Vendor {
  /** For messages, e.g. `DigitalOcean`. */
  readonly name: string;
  /** The message and the error codes in the body of a refusal; the body is `undefined` if it is not JSON. */
  saidIn(body: unknown): {
    words?: string | undefined;
    reasons?: readonly (string | undefined)[];
  };
  /** Error codes of rate limiting, beside status 429. */
  readonly throttled?: readonly string[];
  /** Milliseconds to wait, where headers other than Retry-After say so. */
  waitIn?(headers: Headers, status: number): number | undefined;
}
export interface Repetition {
  readonly vendor: Pick<Vendor, "name">;
  readonly signal: AbortSignal;
  /** Gets a debug line for each repetition. */
  readonly log?: Log | undefined;
  /** How often at most it is done again; 5 when absent. */
  readonly retries?: number | undefined;
}
export interface RequestSettings extends Repetition {
  readonly vendor: Vendor;
  /** Milliseconds for each answer; 30,000 when absent. */
  readonly timeout?: number | undefined;
}
/**
 * The JSON of a good answer, `null` for an empty one. What was throttled (429), lost (no answer, 408) or met a failing
 * server (5xx) is asked again, after its Retry-After or growing waits: give `retries: 0` where twice would do harm.
 * Redirects are not followed. Rejects with a `Refusal`, or with the signal's reason.
 */
export declare function requestJson(
  request: JsonRequest,
  settings: RequestSettings,
): Promise<unknown>;
/** The same repetition for work of several requests, each of them with `retries: 0`. */
export declare function repeatRefused<T>(
  work: () => Promise<T>,
  { vendor, signal, log, retries }: Repetition,
): Promise<T>;
/** The items of all pages. `ask` gets what the page before named as `next`; `undefined` for the first. */
export declare function everyPage<T, P>(
  ask: (page: P | undefined) => Promise<{
    readonly items: readonly T[];
    readonly next: P | undefined;
  }>,
): Promise<readonly T[]>;
/**
 * What others say, made fit to be shown: on one line, without control characters, at most 1,000 characters of whole
 * words. A word that is cut could be half of a secret, which no mask finds.
 */
export declare function oneLine(text: string): string;
/** The refusal of a request that got no answer: its words are those of the innermost cause. */
export declare function lost(error: unknown): Refusal;
/** Milliseconds (RFC 9110 §10.2.3). */
export declare function retryAfterIn(headers: Headers): number | undefined;
