/** A CA's error answer as a Problem (RFC 8555 §6.7): type and words of the CA, a hint, and the time to come back. */
import { type ExitCode, Problem } from "../problem.ts";
import { links, retryAfter, retryAfterIn } from "./transport/headers.ts";
import { errorType, hintFor, type Situation } from "./hints.ts";
import { problemDocument } from "./objects/schema.ts";
import { printable } from "./text.ts";
import type { Answer } from "./transport/transport.ts";

/** True when the Problem is the CA's, of this type (the last word of the URN). */
export function isCaProblem(error: unknown, ...names: readonly string[]): error is Problem {
  return Problem.is(error) && names.some((name) => error.document.type === errorType(name));
}

/** The Problem of an answer with a status of 400 or more. */
export function refusal(answer: Answer, situation: Situation, now: Date): Problem {
  // The transport has masked the whole answer.
  const document = problemDocument(answer.body, (text) => text);
  if (!document || (document.type === "about:blank" && document.detail === undefined))
    return strange(answer, situation, now);
  const { type, detail, title, ...rest } = document;
  const [terms] = links(answer.headers, "terms-of-service", answer.url);
  const { status } = answer;
  const isLimit = type === errorType("rateLimited") || status === 429;
  const inWords = isLimit ? retryAfterIn(detail, answer.headers, now) : undefined;
  const retryAt = retryAfter(answer.headers, now) ?? inWords;
  const { instance } = rest;
  const hint = hintFor(type, { ...situation, status, terms, instance, detail });
  return new Problem(type, {
    title: `${new URL(answer.url).host} refused the ${situation.what}`,
    detail: detail ?? title,
    ...rest,
    status,
    hint,
    retryAt,
    fromCa: true,
    ...outcome(type, status, retryAt),
  });
}

function outcome(
  type: string,
  status: number,
  retryAt: Date | undefined,
): { exitCode: ExitCode; retryable: boolean } {
  const limited =
    type === errorType("rateLimited") ||
    status === 429 ||
    (status === 503 && retryAt !== undefined);
  if (limited) return { exitCode: 6, retryable: true };
  if (status === 501) return { exitCode: 5, retryable: false };
  const passing = status >= 500 || status === 408 || retryable.has(type);
  return { exitCode: 5, retryable: passing };
}

/** Every other type is permanent until the configuration changes. */
const retryable = new Set(
  [
    "badNonce",
    "serverInternal",
    "connection",
    "dns",
    "tls",
    "incorrectResponse",
    "orderNotReady",
  ].map(errorType),
);

/** An error answer without a problem document: from a load balancer, a proxy, or a server that is not an ACME server. */
function strange(answer: Answer, situation: Situation, now: Date): Problem {
  const retryAt = retryAfter(answer.headers, now);
  const { status } = answer;
  const page = /^\s*</.test(answer.text) ? " (a web page)" : "";
  const detail = `${answer.url} answered the ${situation.what} with ${status}, without an ACME problem document${page}.`;
  if (status === 429 || (status === 503 && retryAt !== undefined)) {
    return new Problem("backoff", {
      detail,
      status,
      hint: "Wait until the time given: the CA, or a proxy before it, asks for fewer requests.",
      retryAt,
      fromCa: true,
    });
  }
  if (status >= 500) {
    return new Problem("network", {
      detail,
      status,
      hint: "Look at the CA's status page and try again later: the CA or a proxy before it has a problem.",
      retryAt,
      fromCa: true,
    });
  }
  return new Problem("protocol", {
    detail,
    status,
    hint: `Check that the server URL is an ACME directory${said(answer.text)}.`,
  });
}

function said(text: string): string {
  const words = /^\s*</.test(text) ? "" : printable(text, 120);
  return words === "" ? "" : `. It said: ${words}`;
}
