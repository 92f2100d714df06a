/** What the errors of Cloudflare's package hold, and which of them are worth another try. */
import { setTimeout as sleep } from "node:timers/promises";
import { oneLine } from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";

export interface Failure {
  /** HTTP status; absent when no answer came. */
  readonly status?: number;
  /** Cloudflare's codes, those of the error chain included. */
  readonly codes: readonly number[];
  /** Cloudflare's words or the system's, on one line. */
  readonly message: string;
  /** Milliseconds. */
  readonly retryAfter?: number;
  /** The connection broke, or no whole answer came in time. */
  readonly lost: boolean;
  /** How much was tried, as ` after 5 attempts in 12 s`; or nothing. */
  readonly effort: string;
}

/** How often a request is repeated. */
export const retries = 4;

/** Milliseconds. A longer Retry-After is left to the next run, and told. */
const longestWait = 60_000;

/** Repeats what was throttled or lost, as long as the server asks or with growing waits. */
export async function retrying<T>(
  call: () => Promise<T>,
  retries: number,
  log: Log,
  signal: AbortSignal,
): Promise<T> {
  const started = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      const failure = failureOf(error);
      const wait =
        failure.retryAfter ?? Math.min(500 * 2 ** attempt, 8_000) * (0.75 + Math.random() / 4);
      if (!isPassing(failure) || attempt > retries || wait > longestWait)
        throw new GaveUp(error, attempt, performance.now() - started);
      log.debug(`Cloudflare: ${failure.message}; trying again in ${Math.ceil(wait / 1_000)} s`);
      await sleep(wait, undefined, { signal });
    }
  }
}

/** Reads an error of the package, or of `retrying`. */
export function failureOf(error: unknown): Failure {
  if (error instanceof GaveUp) return { ...failureOf(error.cause), effort: error.effort };
  if (!(error instanceof Error))
    return { codes: [], message: String(error), lost: false, effort: "" };
  const { status, headers } = readApiError(error);
  const details = detailsOf(error);
  const retryAfter = headers === undefined ? undefined : waitIn(headers);
  return {
    ...(status === undefined ? {} : { status }),
    codes: details.map(({ code }) => code),
    message: oneLine(
      details.map(({ code, message }) => `${message} (${code})`).join("; ") || wordsOf(error),
    ),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    lost: status === undefined && !(error instanceof SyntaxError),
    effort: "",
  };
}

/** True when one of `codes` is among Cloudflare's. */
export function says(failure: Failure, ...codes: readonly number[]): boolean {
  return failure.codes.some((code) => codes.includes(code));
}

class GaveUp extends Error {
  readonly effort: string;

  constructor(cause: unknown, attempts: number, milliseconds: number) {
    super("gave up", { cause });
    this.effort =
      attempts < 2 ? "" : ` after ${attempts} attempts in ${Math.round(milliseconds / 1_000)} s`;
  }
}

function isPassing({ status, lost }: Failure): boolean {
  return lost || (status !== undefined && ([408, 409, 429].includes(status) || status >= 500));
}

interface Detail {
  readonly code: number;
  readonly message: string;
}

function detailsOf(error: Error): readonly Detail[] {
  const errors = "errors" in error && Array.isArray(error.errors) ? error.errors : [];
  return errors.flatMap(detailsIn);
}

function detailsIn(entry: unknown): readonly Detail[] {
  if (typeof entry !== "object" || entry === null || !("code" in entry)) return [];
  const message = "message" in entry ? String(entry.message) : "";
  const chain = "error_chain" in entry && Array.isArray(entry.error_chain) ? entry.error_chain : [];
  return [{ code: Number(entry.code), message }, ...chain.flatMap(detailsIn)];
}

function readApiError(error: Error): { status?: number; headers?: Headers } {
  return {
    ...("status" in error && typeof error.status === "number" ? { status: error.status } : {}),
    ...("headers" in error && error.headers instanceof Headers ? { headers: error.headers } : {}),
  };
}

function waitIn(headers: Headers): number | undefined {
  const value = headers.get("retry-after");
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.max(seconds, 0) * 1_000 : undefined;
}

/** Of an answer that is not Cloudflare's only the status is worth showing; of a broken connection the innermost cause. */
function wordsOf(error: Error): string {
  const { status } = readApiError(error);
  if (status !== undefined) return `HTTP ${status} without a word of Cloudflare's`;
  let inner: Error = error;
  while (inner.cause instanceof Error) inner = inner.cause;
  return inner.message || error.message;
}
