import { json, type Answer } from "../server/answer.ts";
import { AcmeProblem, demand, type Identifier } from "../acme-problem.ts";
import { isBase64url } from "../signed/jws.ts";
import {
  orderStatus,
  timestamp,
  type Account,
  type IssuedCertificate,
  type State,
} from "../state.ts";
import type { RenewalInfo } from "../types.ts";

const day = 24 * 3_600_000;
const retryAfter = 6 * 3600;

/** renewalInfo (RFC 9773 §4): the window set for the certificate, else one that follows from its lifetime. */
export function renewalInfo(state: State, id: string): Answer {
  const issued = certificateOf(state, id);
  const info = state.renewalInfo.get(id) ?? usualWindow(state, issued);
  const { start, end, explanationUrl } = info;
  return json(
    200,
    {
      suggestedWindow: { start: timestamp(start), end: timestamp(end) },
      ...(explanationUrl === undefined ? {} : { explanationURL: explanationUrl }),
    },
    { "retry-after": String(info.retryAfter ?? retryAfter) },
  );
}

/** Checks `replaces` of a newOrder (§5) and returns the certificate that it names. */
export function checkReplaces(
  state: State,
  account: Account,
  identifiers: readonly Identifier[],
  replaces: unknown,
): IssuedCertificate | undefined {
  if (replaces === undefined) return undefined;
  demand(typeof replaces === "string", "replaces is not a string.");
  const issued = certificateOf(state, replaces);
  if (issued.account !== account) {
    const detail = "The certificate to be replaced belongs to another account.";
    throw new AcmeProblem("unauthorized", detail);
  }
  const held = new Set(issued.identifiers.map(({ value }) => value));
  const shared = identifiers.some(({ value }) => held.has(value));
  demand(shared, "The order shares no identifier with the certificate to be replaced.");
  if (issued.replacedBy !== undefined && orderStatus(state, issued.replacedBy) !== "invalid") {
    throw new AcmeProblem("alreadyReplaced", "Another order replaces this certificate already.");
  }
  return issued;
}

function certificateOf(state: State, id: string): IssuedCertificate {
  const [keyId, serial, ...rest] = id.split(".");
  const wellFormed = isBase64url(keyId) && isBase64url(serial) && rest.length === 0;
  demand(wellFormed, "The certificate identifier is not of the form of RFC 9773 §4.1.");
  for (const issued of state.certificates.values()) {
    if (issued.renewalId === id) return issued;
  }
  const detail = "No certificate with this identifier was issued here.";
  throw new AcmeProblem("malformed", detail, { status: 404 });
}

/** Around two thirds of the lifetime, or the half of one shorter than ten days; in the past for a revoked certificate. */
function usualWindow(state: State, issued: IssuedCertificate): RenewalInfo {
  if (issued.revoked !== undefined) {
    const now = state.settings.now().getTime();
    return { start: new Date(now - 2 * 3_600_000), end: new Date(now - 3_600_000) };
  }
  const end = issued.notAfter.getTime();
  const lifetime = end - issued.notBefore.getTime();
  const ideal = end - lifetime / (lifetime < 10 * day ? 2 : 3);
  const margin = lifetime / 50;
  return { start: new Date(ideal - margin), end: new Date(ideal + margin) };
}
