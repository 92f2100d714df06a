/** JSON over HTTP, as providers' APIs speak it, repeated while that can help. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../plugin.ts";
import { beginningOf as beginning } from "../body.ts";
import { parseJson } from "../json.ts";
import { fetchByProxy } from "../proxy.ts";
import { Refusal } from "./refusal.ts";
import { firstWords } from "../shorten.ts";

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

/** Milliseconds. A longer Retry-After is left to the next run, as `retryAt` of the Problem. */
const longestWait = 60_000;

/**
 * The JSON of a good answer, `null` for an empty one. What was throttled (429), lost (no answer, 408) or met a failing
 * server (5xx) is asked again, after its Retry-After or growing waits: give `retries: 0` where twice would do harm.
 * Redirects are not followed. Rejects with a `Refusal`, or with the signal's reason.
 */
export function requestJson(request: JsonRequest, settings: RequestSettings): Promise<unknown> {
  return repeatRefused(() => requestOnce(request, settings), settings);
}

/** The same repetition for work of several requests, each of them with `retries: 0`. */
export async function repeatRefused<T>(
  work: () => Promise<T>,
  { vendor, signal, log, retries = 5 }: Repetition,
): Promise<T> {
  const started = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Refusal)) throw error;
      const wait = waitBefore(error, attempt);
      if (wait === undefined || attempt > retries || wait > longestWait) {
        const seconds = Math.round((performance.now() - started) / 1_000);
        if (attempt > 1) error.effort = ` after ${attempt} attempts in ${seconds} s`;
        throw error;
      }
      log?.debug(`${vendor.name}: ${error.message}; trying again in ${Math.ceil(wait / 1_000)} s`);
      await sleep(wait, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** More pages than any account has; a provider that always names a next one would keep a run busy without an end. */
const mostPages = 1_000;

/** The items of all pages. `ask` gets what the page before named as `next`; `undefined` for the first. */
export async function everyPage<T, P>(
  ask: (
    page: P | undefined,
  ) => Promise<{ readonly items: readonly T[]; readonly next: P | undefined }>,
): Promise<readonly T[]> {
  const items: T[] = [];
  let next: P | undefined;
  for (let pages = 0; pages < mostPages; pages += 1) {
    const page = await ask(next);
    items.push(...page.items);
    next = page.next;
    if (next === undefined) return items;
  }
  throw new Refusal({ words: `a list of more than ${mostPages} pages` });
}

/**
 * What others say, made fit to be shown: on one line, without control characters, at most 1,000 characters of whole
 * words. A word that is cut could be half of a secret, which no mask finds.
 */
export function oneLine(text: string): string {
  return firstWords(text.replaceAll(/[\p{Cc}\s]+/gu, " ").trim(), 1_000);
}

async function requestOnce(
  { url, method = "GET", headers, body, json }: JsonRequest,
  { vendor, signal, timeout = 30_000 }: RequestSettings,
): Promise<unknown> {
  const type = json === undefined ? {} : { "content-type": "application/json" };
  try {
    const response = await fetchWhole(url, {
      method,
      headers: { "user-agent": "acmectl", ...type, ...headers },
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
    });
    return answerIn(response, await response.text(), vendor);
  } catch (error) {
    throw error instanceof Refusal ? error : lost(error);
  }
}

/** Bytes. Longer answers are not read to their end. */
const mostBytes = 8 * 2 ** 20;

/** As `fetch`, through the proxy, with the body read and bounded. A redirect, which would carry the credentials elsewhere, is not followed. */
export async function fetchWhole(url: string, init: RequestInit): Promise<Response> {
  const response = await fetchByProxy(url, { ...init, redirect: "manual" });
  const { status, statusText, headers } = response;
  const { bytes, whole } = await beginning(response.body, mostBytes);
  if (!whole) throw tooLong(status);
  return new Response(bytes.length === 0 ? null : bytes, { status, statusText, headers });
}

/** The refusal of an answer that is longer than any of a provider's. */
export function tooLong(status: number): Refusal {
  return new Refusal({ words: `HTTP ${status} (more than ${mostBytes / 2 ** 20} MiB)` });
}

/** The first 64 KiB of a body; `whole` is false if there is more. */
export async function beginningOf(
  body: AsyncIterable<Uint8Array> | null,
): Promise<{ readonly text: string; readonly whole: boolean }> {
  const { bytes, whole } = await beginning(body, 65_536);
  return { text: bytes.toString("utf8"), whole };
}

function answerIn({ ok, status, headers }: Response, text: string, vendor: Vendor): unknown {
  const json = text === "" ? null : parseJson(text);
  if (ok && json !== undefined) return json;
  if (ok) throw new Refusal({ words: `HTTP ${status} (not JSON)` });
  const { words, reasons: said = [] } = vendor.saidIn(json ?? undefined);
  const reasons = [...new Set(said.flatMap((reason) => reason ?? []).map(oneLine))];
  const retryAfter = retryAfterIn(headers) ?? vendor.waitIn?.(headers, status);
  throw new Refusal({
    status,
    reasons,
    throttled: status === 429 || reasons.some((reason) => vendor.throttled?.includes(reason)),
    words:
      words === undefined
        ? `HTTP ${status} (not an answer from ${vendor.name})`
        : `${oneLine(words)} (HTTP ${[status, ...reasons].join(", ")})`,
    retryAfter,
  });
}

/** The refusal of a request that got no answer: its words are those of the innermost cause. */
export function lost(error: unknown): Refusal {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  if (inner instanceof Refusal) return inner;
  const words = oneLine(inner instanceof Error ? inner.message || inner.name : String(inner));
  return new Refusal({ words, lost: true });
}

/** Milliseconds; nothing for what no repetition helps. */
function waitBefore(refusal: Refusal, attempt: number): number | undefined {
  const { status = 0, throttled, lost, retryAfter } = refusal;
  if (!lost && !throttled && status !== 408 && status < 500) return undefined;
  return retryAfter ?? Math.min(250 * 2 ** attempt, 8_000) * (0.75 + Math.random() / 4);
}

/** Milliseconds (RFC 9110 §10.2.3). */
export function retryAfterIn(headers: Headers): number | undefined {
  const value = headers.get("retry-after");
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.max(seconds, 0) * 1_000 : undefined;
}
