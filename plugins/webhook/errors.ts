/** What the response or the network error means, and what to do. */
import { Problem, type Dns01Challenge } from "acmectl/plugin";
import { codeOf, messageOf } from "acmectl/plugin/http";
import type { Action, Answer, WebhookRequest } from "./styles.ts";

export interface Attempt {
  readonly action: Action;
  readonly challenge: Dns01Challenge;
  readonly request: WebhookRequest;
  readonly mask: (text: string) => string;
}

/** The Problem for a response; undefined for a success. */
export function refusal(answer: Answer, attempt: Attempt): Problem | undefined {
  const { status, text } = answer;
  if (status >= 200 && status < 300) {
    const fault = attempt.request.fault(answer);
    if (fault === undefined) return undefined;
    const hint = "Check the log of the service, and the options config and namespace.";
    return problem(attempt, shortened(fault, attempt), hint, true);
  }
  const body = text.trim() === "" ? "" : `: ${shortened(text, attempt)}`;
  if (status >= 300 && status < 400) {
    const where = JSON.stringify(shortened(answer.location ?? "", attempt));
    return problem(
      attempt,
      `it redirects to ${where} (HTTP status ${status})`,
      "If that is the right service, set url to it. Since the request has credentials, acmectl follows only 307 and 308 to the same host.",
    );
  }
  const isPassing = status === 429 || status >= 500;
  return problem(attempt, `HTTP status ${status}${body}`, hintFor(status), isPassing);
}

/** No answer came. */
export function unreachable(error: unknown, attempt: Attempt): Problem {
  const code = codeOf(error);
  const reason = code || messageOf(error);
  return new Problem("network", {
    detail: attempt.mask(
      `Cannot ask the webhook ${shown(attempt)} to ${verb(attempt)}: ${reason}.`,
    ),
    hint: /CERT|ISSUER|SIGNATURE|SELF_SIGNED/.test(code)
      ? "Give the root of its certificate as caBundle, or use a host name that is in the certificate."
      : code === "ETIMEDOUT"
        ? "Let the service only write the record, or raise timeout. It may have done it."
        : "Check the URL, that the service runs, that firewalls allow the connection, and, with mTLS, that the service accepts clientCertificate.",
    identifier: attempt.challenge.identifier,
    cause: error,
  });
}

/** Masked before it is cut: half a secret would not be recognized. */
function shortened(text: string, { mask }: Attempt): string {
  return mask(text).trim().slice(0, 500);
}

function hintFor(status: number): string {
  if ([400, 415, 422].includes(status))
    return "Choose the style that the service expects, or write a template.";
  if ([401, 403].includes(status))
    return "Check the credentials that the service requires: username and password, token, secretHeaders, hmacSecret or clientCertificate.";
  if ([404, 405].includes(status))
    return "Check the URL and the style: only httpreq appends /present and /cleanup to the URL.";
  if (status === 429) return "Wait and try again, or raise `retries`.";
  return "Check the log of the service.";
}

function problem(attempt: Attempt, what: string, hint: string, retryable = false): Problem {
  const { challenge, mask } = attempt;
  return new Problem("solver", {
    title: "The webhook failed",
    detail: mask(`The webhook ${shown(attempt)} did not ${verb(attempt)}: ${what}.`),
    identifier: challenge.identifier,
    hint,
    retryable,
  });
}

function verb({ action, challenge: { recordName } }: Attempt): string {
  return action === "present" ? `set the TXT value of ${recordName}` : `clean up ${recordName}`;
}

/** Without the query, which may hold a key. */
function shown({ request: { method, url } }: Attempt): string {
  const { origin, pathname } = new URL(url);
  return `${method} ${origin}${pathname}`;
}
