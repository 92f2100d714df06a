/** One question over HTTP and its answer, repeated when that can help. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "acmectl/plugin";

export interface Question {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface RefusalFields {
  /** Azure's words, on one line. */
  readonly words: string;
  /** HTTP status; absent when the answer cannot be Azure's. */
  readonly status?: number;
  /** Azure's names of what is wrong, e.g. `AuthorizationFailed`, `invalid_client`, `AADSTS7000215`. */
  readonly reasons?: readonly string[];
  /** Milliseconds. */
  readonly retryAfter?: number;
}

/** An answer that is not what was asked for. */
export class Refusal extends Error {
  readonly status: number | undefined;
  readonly reasons: readonly string[];
  readonly retryAfter: number | undefined;
  /** ` after 5 attempts in 12 s`, or nothing after the first. */
  effort = "";

  constructor({ words, status, reasons = [], retryAfter }: RefusalFields) {
    super(words);
    this.status = status;
    this.reasons = reasons;
    this.retryAfter = retryAfter;
  }

  /** True when one of `reasons` is among Azure's. */
  says(...reasons: readonly string[]): boolean {
    return this.reasons.some((reason) => reasons.includes(reason));
  }
}

const patience = 30_000;
const retries = 5;
/** Milliseconds. A longer Retry-After is left to the next run, and told. */
const longestWait = 60_000;

/** The JSON of a good answer, `null` for an empty one. What was throttled or lost is asked again, so it must be safe to. Rejects with a `Refusal`. */
export async function ask(
  url: string,
  question: Question,
  log: Log,
  signal: AbortSignal,
): Promise<unknown> {
  const started = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await askOnce(url, question, patience, signal);
    } catch (error) {
      signal.throwIfAborted();
      const refusal = error instanceof Refusal ? error : lost(error);
      const wait = waitBefore(refusal, attempt);
      if (wait === undefined || attempt > retries || wait > longestWait) {
        const seconds = Math.round((performance.now() - started) / 1_000);
        if (attempt > 1) refusal.effort = ` after ${attempt} attempts in ${seconds} s`;
        throw refusal;
      }
      log.debug(`Azure: ${refusal.message}; trying again in ${Math.ceil(wait / 1_000)} s`);
      await sleep(wait, undefined, { signal });
    }
  }
}

/** The same without another try, within so many milliseconds. */
export async function askOnce(
  url: string,
  { method = "GET", headers, body }: Question,
  limit: number,
  signal: AbortSignal,
): Promise<unknown> {
  // A redirect would carry the token to an address that nobody configured.
  const response = await fetch(url, {
    method,
    redirect: "manual",
    headers: { "user-agent": "acmectl", ...headers },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(limit)]),
  });
  const text = await response.text();
  const json = text === "" ? null : parsed(text);
  const { status } = response;
  if (response.ok && json !== undefined) return json;
  if (response.ok) throw new Refusal({ words: `HTTP ${status} with something that is not JSON` });
  const { words, reasons } = saidIn(json);
  const retryAfter = waitIn(response.headers.get("retry-after"));
  throw new Refusal({
    status,
    reasons,
    words:
      words === undefined
        ? `HTTP ${status} without a word of Azure's`
        : `${plain(words)} (HTTP ${[status, ...new Set(reasons)].join(", ")})`,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

/** A member of what should be an object. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** A member that should be text. */
export function textOf(value: unknown, name: string): string | undefined {
  const text = fieldOf(value, name);
  return typeof text === "string" && text !== "" ? text : undefined;
}

/** A member that should be a list; an empty one when absent. */
export function listOf(value: unknown, name: string): readonly unknown[] {
  const list = fieldOf(value, name);
  return Array.isArray(list) ? list : [];
}

/** On one line, without control characters. */
export function plain(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, 1_000);
}

/** The management API has an object under `error`, or its members alone; the login has a word and numbers. */
function saidIn(body: unknown): { words: string | undefined; reasons: readonly string[] } {
  const error = fieldOf(body, "error") ?? body;
  if (typeof error === "string") {
    const numbers = listOf(body, "error_codes").map((code) => `AADSTS${String(code)}`);
    return {
      words: textOf(body, "error_description") ?? error,
      reasons: [plain(error), ...numbers],
    };
  }
  const code = textOf(error, "code");
  return { words: textOf(error, "message"), reasons: code === undefined ? [] : [plain(code)] };
}

function lost(error: unknown): Refusal {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const words = plain(inner instanceof Error ? inner.message || inner.name : String(inner));
  return new Refusal({ words, reasons: ["lost"] });
}

/** True when somebody asks too often. */
export function isThrottled(refusal: Refusal): boolean {
  return refusal.status === 429 || refusal.says("TooManyRequests");
}

/** Milliseconds; nothing for what no repetition helps. */
function waitBefore(refusal: Refusal, attempt: number): number | undefined {
  const { status = 0, retryAfter } = refusal;
  const passing = refusal.says("lost") || status === 408 || status >= 500 || isThrottled(refusal);
  if (!passing) return undefined;
  return retryAfter ?? Math.min(250 * 2 ** attempt, 8_000) * (0.75 + Math.random() / 4);
}

function waitIn(value: string | null): number | undefined {
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.max(seconds, 0) * 1_000 : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
