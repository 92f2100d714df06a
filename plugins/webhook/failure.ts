/** What the service or the network said, and what to do. */
import { Problem, type Dns01Challenge } from "acmectl/plugin";
import { codeOf, type Answer } from "./http.ts";
import type { Action, Message } from "./styles.ts";

export interface Attempt {
  readonly action: Action;
  readonly challenge: Dns01Challenge;
  readonly message: Message;
  readonly mask: (text: string) => string;
}

/** The Problem that an answer amounts to; undefined when the service has done it. */
export function refusal(answer: Answer, attempt: Attempt): Problem | undefined {
  const { status, text } = answer;
  if (status >= 200 && status < 300) {
    const fault = attempt.message.fault(answer);
    if (fault === undefined) return undefined;
    return problem(attempt, fault, "Look into the service's log, and at config and namespace.", {
      retryable: true,
    });
  }
  const said = text.trim() === "" ? "" : `, and says: ${text.trim()}`;
  if (status >= 300 && status < 400) {
    const where = JSON.stringify(answer.location?.slice(0, 300) ?? "");
    return problem(
      attempt,
      `it sends us on to ${where} (HTTP status ${status})`,
      "acmectl follows 307 and 308 to the same host alone, for there are credentials in the request. If that is the service, give its URL.",
    );
  }
  return problem(attempt, `it answers HTTP status ${status}${said}`, hintFor(status), {
    retryable: status === 429 || status >= 500,
  });
}

/** No answer came. */
export function unreachable(error: unknown, attempt: Attempt): Problem {
  const code = codeOf(error);
  const reason = code || (error instanceof Error ? error.message : String(error));
  return new Problem("network", {
    detail: attempt.mask(
      `The webhook ${shown(attempt)} cannot be asked to ${verb(attempt)}: ${reason}.`,
    ),
    hint: /CERT|ISSUER|SIGNATURE|SELF_SIGNED/.test(code)
      ? "Its certificate is not trusted here, or not for this name: give its root as caBundle."
      : code === "ETIMEDOUT"
        ? "The service was slow; it may have done it all the same. Let it only write the record, or raise timeout."
        : "Check the URL, that the service runs, that a firewall lets this machine through, and, with mTLS, that it knows clientCertificate.",
    identifier: attempt.challenge.identifier,
    cause: error,
  });
}

function hintFor(status: number): string {
  switch (status) {
    case 400:
    case 415:
    case 422:
      return "The service expects another message: choose its style, or write a template.";
    case 401:
    case 403:
      return "Check username and password, token, secretHeaders, hmacSecret or clientCertificate, whichever the service wants.";
    case 404:
    case 405:
      return "Check the URL and the style: httpreq appends /present and /cleanup to the URL, the others nothing.";
    case 429:
      return "The service wants to be asked less often; it was asked again as often as `retries` says.";
    default:
      return "Look into the service's log.";
  }
}

function problem(
  attempt: Attempt,
  what: string,
  hint: string,
  { retryable = false }: { retryable?: boolean } = {},
): Problem {
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

/** Without the query, where some put a key. */
function shown({ message: { method, url } }: Attempt): string {
  const { origin, pathname } = new URL(url);
  return `${method} ${origin}${pathname}`;
}
