import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { json, type Answer } from "../server/answer.ts";
import { demand, type Identifier } from "../acme-problem.ts";
import { challengeJson } from "./challenges.ts";
import { own, payloadOf, type SignedRequest } from "../signed/request.ts";
import {
  authorizationStatus,
  newId,
  timestamp,
  type Account,
  type Authorization,
  type Challenge,
  type State,
  retryAfter,
} from "../state.ts";

const pendingLifetime = 7 * 24 * 3_600_000;

/** The account's valid authorization for the identifier, if one can be reused, else a new one with fresh challenges. */
export function authorizationFor(
  state: State,
  account: Account,
  { type, value }: Identifier,
): Authorization {
  const wildcard = value.startsWith("*.");
  const identifier = { type, value: wildcard ? value.slice(2) : value };
  const held = [...state.authorizations.values()].filter(
    (each) =>
      each.account === account &&
      isDeepStrictEqual(each.identifier, identifier) &&
      each.wildcard === wildcard &&
      authorizationStatus(state, each) === "valid",
  );
  const [reused] = state.settings.authorizationReuse === 0 ? [] : held;
  return reused ?? create(state, account, identifier, wildcard);
}

/** Reads an authorization, or deactivates it (RFC 8555 §7.5.2). */
export function authz(state: State, request: SignedRequest): Answer {
  const authorization = own(state.authorizations, request, "authorization");
  if (request.jws.payload !== "") {
    const { status } = payloadOf(request);
    demand(status === "deactivated", 'An authorization can only be set to "deactivated".');
    const current = authorizationStatus(state, authorization);
    const alive = current === "pending" || current === "valid";
    demand(alive, `The authorization is ${current}.`);
    authorization.status = "deactivated";
  }
  const waiting = authorization.challenges.some((each) => each.status === "processing");
  return json(200, authorizationJson(state, authorization), waiting ? retryAfter(state) : {});
}

function authorizationJson(state: State, authorization: Authorization): object {
  const { identifier, wildcard, expires } = authorization;
  const status = authorizationStatus(state, authorization);
  const shown = authorization.challenges.filter(
    (challenge) => status !== "valid" || challenge.status === "valid",
  );
  return {
    identifier,
    status,
    expires: timestamp(expires),
    wildcard: wildcard || undefined,
    challenges: shown.map((challenge) => challengeJson(state, challenge)),
  };
}

function create(
  state: State,
  account: Account,
  identifier: Identifier,
  wildcard: boolean,
): Authorization {
  const authorization: Authorization = {
    id: newId(),
    account,
    identifier,
    wildcard,
    challenges: [],
    status: "pending",
    expires: new Date(state.settings.now().getTime() + pendingLifetime),
  };
  for (const type of shuffle(typesFor(identifier, wildcard))) {
    const token = randomBytes(32).toString("base64url");
    const id = newId();
    const challenge: Challenge = { id, account, authorization, type, token, status: "pending" };
    authorization.challenges.push(challenge);
    state.challenges.set(challenge.id, challenge);
  }
  state.authorizations.set(authorization.id, authorization);
  return authorization;
}

/** Only the DNS proves wildcards, never for addresses (RFC 8738 §7); always with one unknown type. */
function typesFor(identifier: Identifier, wildcard: boolean): string[] {
  const unknown = `x-${randomBytes(3).toString("hex")}-01`;
  const byDns = ["dns-01", "dns-account-01", "dns-persist-01"];
  if (wildcard) return [...byDns, unknown];
  if (identifier.type === "ip") return ["http-01", "tls-alpn-01", unknown];
  return ["http-01", ...byDns, "tls-alpn-01", unknown];
}

function shuffle<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
