/** ACME Renewal Information (RFC 9773). */
import { codeOf } from "../errors.ts";
import { isRecord } from "../json.ts";
import { Problem } from "../problem.ts";
import type { RenewalInfo } from "./acme.ts";
import { date, webPage } from "./objects/schema.ts";
import type { Exchange } from "./transport/exchange.ts";
import { retryAfter } from "./transport/headers.ts";
import type { Answer } from "./transport/transport.ts";

/** Ask when the CA wants this certificate renewed. Rejects with a Problem whose `retryAt` is when to ask again. */
export async function readRenewalInfo(
  exchange: Exchange,
  certificateId: string,
  signal: AbortSignal,
): Promise<RenewalInfo> {
  const { renewalInfo } = await exchange.directory(signal);
  if (renewalInfo === undefined) {
    throw new Problem("protocol", {
      detail: "This CA does not offer renewal information (RFC 9773).",
    });
  }
  // RFC 9773 §4.1: below the resource's path, which a query may follow.
  const [, path = "", query = ""] = /^([^?]*?)\/?(\?.*)?$/.exec(renewalInfo) ?? [];
  const url = `${path}/${certificateId}${query}`;
  try {
    const answer = await exchange.get({ url, what: "renewal information", signal });
    return parse(answer, exchange.clock.now());
  } catch (error) {
    throw Problem.is(error) ? dated(error, exchange.clock.now()) : error;
  }
}

const minute = 60_000;
/** RFC 9773 §4.3.3: the pause after a failure that is not temporary. */
const longTerm = 6 * 60 * minute;

function parse(answer: Answer, now: Date): RenewalInfo {
  const { suggestedWindow, explanationURL } = isRecord(answer.body) ? answer.body : {};
  const { start, end } = isRecord(suggestedWindow) ? suggestedWindow : {};
  const [from, to] = [date(start), date(end)];
  if (from === undefined || to === undefined || to.getTime() <= from.getTime()) {
    throw new Problem("protocol", {
      detail: `The renewal information at ${answer.url} has no window that ends after its start.`,
    });
  }
  const asked = retryAfter(answer.headers, now)?.getTime() ?? now.getTime() + longTerm;
  return {
    start: from,
    end: to,
    explanationUrl: webPage(explanationURL),
    retryAfter: clamped(asked, now),
  };
}

/** RFC 9773 §4.3.3: after a temporary failure the CA is asked again soon, after any other in six hours. */
function isTemporary(problem: Problem): boolean {
  const status = problem.document.status ?? 0;
  if (status >= 500 || status === 429 || status === 408) return true;
  return problem.is("network") && !longLasting.has(codeOf(problem.cause));
}

const longLasting = new Set(["ENOTFOUND", "ECONNREFUSED"]);

function dated(problem: Problem, now: Date): Problem {
  const wait = isTemporary(problem) ? minute : longTerm;
  const asked = problem.retryAt?.getTime() ?? now.getTime() + wait;
  return problem.with({ retryable: isTemporary(problem), retryAt: clamped(asked, now) });
}

/** RFC 9773 §4.3.2: between a minute and a day; no more than six hours here, since a CA may revoke within a day. */
function clamped(asked: number, now: Date): Date {
  return new Date(Math.min(Math.max(asked, now.getTime() + minute), now.getTime() + longTerm));
}
