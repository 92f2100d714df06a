/** ACME Renewal Information (RFC 9773). */
import { Problem } from "../problem.ts";
import type { RenewalInfo } from "./acme.ts";
import type { Exchange } from "./transport/exchange.ts";
import { retryAfter } from "./transport/headers.ts";
import { isJson } from "./objects/schema.ts";
import type { Answer } from "./transport/transport.ts";

/** Ask when the CA wants this certificate renewed. Rejects with a Problem whose `retryAt` tells when to ask again. */
export async function readRenewalInfo(
  exchange: Exchange,
  certificateId: string,
  signal: AbortSignal,
): Promise<RenewalInfo> {
  const { renewalInfo } = await exchange.directory(signal);
  if (renewalInfo === undefined) {
    throw new Problem("protocol", { detail: "This CA offers no renewal information (RFC 9773)." });
  }
  const url = `${renewalInfo.replace(/\/$/, "")}/${certificateId}`;
  try {
    const answer = await exchange.get({ url, what: "renewal information", signal });
    return parse(answer, exchange.clock.now());
  } catch (error) {
    throw Problem.is(error) ? dated(error, exchange.clock.now()) : error;
  }
}

const minute = 60_000;
const day = 24 * 60 * minute;
/** RFC 9773 §4.3.3: the next question after a failure that will not pass by itself. */
const longTerm = 6 * 60 * minute;

function parse(answer: Answer, now: Date): RenewalInfo {
  const { suggestedWindow, explanationURL } = isJson(answer.body) ? answer.body : {};
  const { start, end } = isJson(suggestedWindow) ? suggestedWindow : {};
  const [from, to] = [date(start), date(end)];
  if (from === undefined || to === undefined || to.getTime() <= from.getTime()) {
    throw new Problem("protocol", {
      detail: `The renewal information at ${answer.url} has no window whose end lies after its start.`,
    });
  }
  const asked = retryAfter(answer.headers, now)?.getTime() ?? now.getTime() + longTerm;
  return {
    start: from,
    end: to,
    ...(isPage(explanationURL) ? { explanationUrl: explanationURL } : {}),
    retryAfter: new Date(Math.min(Math.max(asked, now.getTime() + minute), now.getTime() + day)),
  };
}

function date(value: unknown): Date | undefined {
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT/i.test(value)) return undefined;
  const parsed = new Date(value);
  return Number.isNaN(parsed.getTime()) ? undefined : parsed;
}

function isPage(value: unknown): value is string {
  return typeof value === "string" && /^https?:\/\/[!-~]{1,1000}$/.test(value);
}

/** RFC 9773 §4.3.3: what passes by itself is asked again soon, anything else after six hours. */
function isTemporary(problem: Problem): boolean {
  const status = problem.document.status ?? 0;
  if (status >= 500 || status === 429 || status === 408) return true;
  return problem.is("network") && !longLasting.has(causeCode(problem));
}

const longLasting = new Set(["ENOTFOUND", "ECONNREFUSED"]);

function causeCode(problem: Problem): string {
  const { cause } = problem;
  if (typeof cause !== "object" || cause === null || !("code" in cause)) return "";
  return typeof cause.code === "string" ? cause.code : "";
}

function dated(problem: Problem, now: Date): Problem {
  const wait = isTemporary(problem) ? minute : longTerm;
  const asked = problem.retryAt?.getTime() ?? now.getTime() + wait;
  const { type, title, ...document } = problem.document;
  return new Problem(type.replace(/^urn:acmectl:problem:/, ""), {
    title,
    ...document,
    detail: problem.message,
    hint: problem.hint,
    exitCode: problem.exitCode,
    retryable: isTemporary(problem),
    retryAt: new Date(Math.min(Math.max(asked, now.getTime() + minute), now.getTime() + day)),
    cause: problem.cause,
  });
}
