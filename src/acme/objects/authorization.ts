/** The authorization object and its challenges (RFC 8555 §7.1.4, §8). */
import type { Identifier } from "../../plugin.ts";
import { Problem, type ProblemDocument } from "../../problem.ts";
import {
  type AcmeChallenge,
  type Authorization,
  authorizationStatuses,
  challengeStatuses,
} from "../acme.ts";
import { identifierKey } from "../identifiers.ts";
import { retryAfterIn } from "../transport/headers.ts";
import { readIdentifier } from "./order.ts";
import { challengeHint, errorType, type Situation } from "../hints.ts";
import {
  array,
  canonicalIssuer,
  type Json,
  link,
  malformed,
  object,
  optionalDate,
  type Origin,
  problemDocument,
  shown,
  texts,
  word,
} from "./schema.ts";

const withToken = new Set(["http-01", "dns-01", "tls-alpn-01", "dns-account-01"]);

/** Check an authorization as the CA returned it. `retryAfter` comes from the answer's header. */
export function readAuthorization(
  origin: Origin,
  body: unknown,
  retryAfter: Date | undefined,
): Authorization {
  const source = object(body, origin);
  const wildcard = source["wildcard"] === true;
  const status = word(source, "status", authorizationStatuses, origin);
  return {
    url: origin.url,
    status,
    identifier: readName(source["identifier"], wildcard, origin),
    wildcard,
    // A name that is proven needs none of them.
    challenges:
      status === "valid"
        ? []
        : array(source, "challenges", origin).map((item) => readChallenge(item, origin)),
    expires: optionalDate(source, "expires"),
    retryAfter,
  };
}

/** RFC 8555 §7.1.4 names a wildcard without its `*.`; certctl writes it beside `wildcard`. */
function readName(value: unknown, wildcard: boolean, origin: Origin): Identifier {
  const identifier = readIdentifier(value, origin);
  if (!identifier.value.startsWith("*.")) return identifier;
  if (!wildcard) throw malformed(origin, "its identifier has a wildcard in its name");
  return { ...identifier, value: identifier.value.slice(2) };
}

function readChallenge(value: unknown, origin: Origin): AcmeChallenge {
  const source = object(value, { ...origin, what: "challenge" });
  const type = source["type"];
  if (typeof type !== "string" || !/^[a-z0-9-]{1,64}$/i.test(type)) {
    throw malformed(origin, "one of its challenges has no type");
  }
  const error = problemDocument(source["error"], origin.transport.redact);
  // Of a type that acmectl does not answer only the name and the error are used.
  if (!withToken.has(type) && type !== "dns-persist-01") {
    const url = source["url"] === undefined ? "" : link(source["url"], "url", origin);
    return { url, type, status: "pending", error };
  }
  return {
    url: link(source["url"], "url", origin),
    type,
    status: word(source, "status", challengeStatuses, { ...origin, what: "challenge" }),
    // One that has none cannot be answered; another type of the same name can.
    token:
      (source["token"] ?? undefined) === undefined
        ? undefined
        : readToken(type, source["token"], origin),
    ...(type === "dns-persist-01" && persistent(source, origin)),
    error,
  };
}

function persistent(source: Json, origin: Origin) {
  const { issuerDomainNames: names, accounturi } = source;
  return {
    issuerDomainNames: Array.isArray(names) ? texts(names, origin).map(canonicalIssuer) : undefined,
    accountUri: typeof accounturi === "string" ? shown(accounturi, 500, origin) : undefined,
  };
}

/** A token ends in a path, a URL or a DNS record, so nothing but RFC 8555 §8's alphabet passes. */
function readToken(type: string, token: unknown, origin: Origin): string {
  if (typeof token === "string" && /^[A-Za-z0-9_-]{16,512}$/.test(token)) return token;
  throw malformed(
    origin,
    `the token of its ${type} challenge is not 16 to 512 characters of A-Z a-z 0-9 _ -`,
  );
}

/** An authorization for a name that was not ordered must not be answered. */
export function assertBelongs(
  authorization: Authorization,
  ordered: readonly Identifier[],
  origin: Origin,
): void {
  const name = orderedName(authorization);
  if (ordered.some((identifier) => identifierKey(identifier) === identifierKey(name))) return;
  throw malformed(origin, `it is for ${name.value}, which was not ordered`);
}

/** The identifier as ordered: with `*.` for a wildcard. */
export function orderedName({ identifier, wildcard }: Authorization): Identifier {
  return wildcard ? { type: identifier.type, value: `*.${identifier.value}` } : identifier;
}

/** A `validation` Problem for an authorization that did not become valid, in the CA's words. */
export function failedAuthorization(
  authorization: Authorization,
  situation: Pick<Situation, "accountUrl" | "directory">,
  now: Date,
): Problem {
  const name = orderedName(authorization);
  const failed = failures(authorization);
  const [first] = failed;
  const limit = failed.find(({ document }) => document.type === errorType("rateLimited"));
  return new Problem("validation", {
    exitCode: limit && 6,
    retryAt: limit && retryAfterIn(limit.document.detail, {}, now),
    detail: first
      ? `${name.value}: ${first.challenge}: ${first.document.detail ?? first.document.title}`
      : `${name.value}: the authorization is "${authorization.status}", and the CA gives no reason.`,
    hint: challengeHint(first?.document.type, first?.challenge, {
      ...situation,
      name,
      detail: first?.document.detail,
    }),
    // It fails until the CAA record is changed.
    retryable: !failed.some(({ document }) => isCaa(document)),
    identifier: name,
    instance: authorization.url,
    subproblems: failed.length > 0 ? failed.map((failure) => failure.document) : undefined,
  });
}

function isCaa({ type, subproblems = [] }: ProblemDocument): boolean {
  return type === errorType("caa") || subproblems.some(isCaa);
}

function failures(
  authorization: Authorization,
): { challenge: string; document: ProblemDocument }[] {
  const identifier = orderedName(authorization);
  return authorization.challenges.flatMap(({ type, error }) =>
    error === undefined
      ? []
      : [{ challenge: type, document: { ...error, title: `${type} failed`, identifier } }],
  );
}
