/** What came back: a good answer's JSON, or a refusal; and which refusals are worth another try. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "acmectl/plugin";

export interface RefusalFields {
  /** DigitalOcean's words, on one line. */
  readonly words: string;
  /** HTTP status; absent when the answer cannot be DigitalOcean's. */
  readonly status?: number;
  /** DigitalOcean's name of the error, e.g. `not_found`. */
  readonly code?: string;
  /** Milliseconds. */
  readonly retryAfter?: number;
}

/** An answer that is not what was asked for. */
export class Refusal extends Error {
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly retryAfter: number | undefined;

  constructor({ words, status, code, retryAfter }: RefusalFields) {
    super(words);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Repeated in vain, as often as made sense. */
export class GaveUp extends Error {
  /** ` after 5 attempts in 12 s`, or nothing after the first. */
  readonly effort: string;

  constructor(cause: unknown, attempts: number, milliseconds: number) {
    super("gave up", { cause });
    this.effort =
      attempts < 2 ? "" : ` after ${attempts} attempts in ${Math.round(milliseconds / 1_000)} s`;
  }
}

/** The JSON of a good answer, `undefined` for an empty one. Rejects with a `Refusal`. */
export async function answerOf(response: Response): Promise<unknown> {
  const text = await response.text();
  const { status } = response;
  const body = parsed(text);
  if (response.ok && (body !== undefined || text === "")) return body;
  if (response.ok) throw new Refusal({ words: `HTTP ${status} with something that is not JSON` });
  const [code, message] = [said(body, "id"), said(body, "message")];
  const retryAfter = waitIn(response.headers, status);
  throw new Refusal({
    status,
    words:
      message === undefined
        ? `HTTP ${status} without a word of DigitalOcean's`
        : `${plain(message)} (HTTP ${status}${code === undefined ? "" : `, ${plain(code)}`})`,
    ...(code === undefined ? {} : { code }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

const retries = 4;
/** Milliseconds. A longer wait is left to the next run, and told. */
const longestWait = 60_000;

/** Repeats what was throttled or lost, when the server says so or with growing waits. Rejects with `GaveUp`. */
export async function retrying<T>(
  work: () => Promise<T>,
  log: Log,
  signal: AbortSignal,
): Promise<T> {
  const started = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const wait = waitBefore(error, attempt);
      if (wait === undefined || attempt > retries || wait > longestWait)
        throw new GaveUp(error, attempt, performance.now() - started);
      log.debug(`DigitalOcean: ${innermost(error)}; trying again in ${Math.ceil(wait / 1_000)} s`);
      await sleep(wait, undefined, { signal });
    }
  }
}

/** The words of the error that caused all others. */
export function innermost(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return plain(inner instanceof Error ? inner.message || inner.name : String(inner));
}

/** Milliseconds; nothing for what no repetition helps. */
function waitBefore(error: unknown, attempt: number): number | undefined {
  const growing = Math.min(500 * 2 ** attempt, 8_000) * (0.75 + Math.random() / 4);
  if (!(error instanceof Refusal)) return growing;
  const { status, retryAfter } = error;
  if (status === undefined || !([408, 429].includes(status) || status >= 500)) return undefined;
  return retryAfter ?? growing;
}

/** Only the limit of a minute comes with Retry-After; that of an hour says when it starts anew. */
function waitIn(headers: Headers, status: number): number | undefined {
  const after = headers.get("retry-after");
  if (after !== null) {
    const seconds = /^\d+$/.test(after) ? Number(after) : secondsUntil(Date.parse(after));
    return Number.isFinite(seconds) ? Math.max(seconds, 0) * 1_000 : undefined;
  }
  const reset = headers.get("ratelimit-reset");
  if (status !== 429 || reset === null || !/^\d+$/.test(reset)) return undefined;
  return Math.max(secondsUntil(Number(reset) * 1_000), 1) * 1_000;
}

function secondsUntil(milliseconds: number): number {
  return (milliseconds - Date.now()) / 1_000;
}

function said(body: unknown, name: string): string | undefined {
  const text: unknown =
    typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined;
  return typeof text === "string" && text !== "" ? text : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function plain(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, 1_000);
}
