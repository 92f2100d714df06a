import { json, type Answer } from "../server/answer.ts";
import { demand, problemOf } from "../acme-problem.ts";
import { own, payloadOf, type SignedRequest } from "../signed/request.ts";
import {
  accountUrl,
  authorizationStatus,
  hashPrefixOf,
  nowOrLater,
  timestamp,
  type Challenge,
  type State,
  retryAfter,
} from "../state.ts";
import {
  issuerDomainNames,
  validateAccountDns,
  validatePersist,
} from "../validation/account-dns.ts";
import { validateDns, type Validate } from "../validation/dns.ts";
import { validateHttp } from "../validation/http.ts";
import { validateTlsAlpn } from "../validation/tls-alpn.ts";

/** Reads a challenge, or starts its validation when the payload is `{}` (RFC 8555 §7.5.1). */
export async function challenge(state: State, request: SignedRequest): Promise<Answer> {
  const found = own(state.challenges, request, "challenge");
  if (request.jws.payload !== "") await respond(state, request, found);
  return json(200, challengeJson(state, found), {
    link: [`<${state.base}/authz/${found.authorization.id}>;rel="up"`],
    ...(found.status === "processing" ? retryAfter(state) : {}),
  });
}

/** The challenge object of §7.1.5 and §8. */
export function challengeJson(state: State, challenge: Challenge): object {
  const { type, token, status, validated, error } = challenge;
  // It has no token: the record is not made for one challenge.
  const isPersistent = type === "dns-persist-01";
  return {
    type,
    url: `${state.base}/challenge/${challenge.id}`,
    status,
    token: isPersistent ? undefined : token,
    issuerDomainNames: isPersistent ? issuerDomainNames : undefined,
    validated: validated && timestamp(validated),
    error,
  };
}

async function respond(state: State, request: SignedRequest, challenge: Challenge): Promise<void> {
  const members = Object.keys(payloadOf(request));
  demand(members.length === 0, `The response must be {}; it has "${members.join('", "')}".`);
  if (challenge.status === "processing" || challenge.status === "valid") return;
  const status = authorizationStatus(state, challenge.authorization);
  demand(status === "pending", `The authorization is ${status}; its challenges are closed.`);
  const look = validators.get(challenge.type);
  demand(look !== undefined, `This CA does not validate ${challenge.type} either.`);
  const busy = challenge.authorization.challenges.some((each) => each.status === "processing");
  demand(!busy, "Another challenge of this authorization is being validated.");
  challenge.status = "processing";
  await nowOrLater(state, () => validate(state, challenge, look));
}

const validators = new Map<string, Validate>([
  ["http-01", validateHttp],
  ["dns-01", validateDns],
  ["dns-account-01", validateAccountDns],
  ["dns-persist-01", validatePersist],
  ["tls-alpn-01", validateTlsAlpn],
]);

/** Settles the challenge and its authorization: one failure is final (§7.1.6). */
async function validate(state: State, challenge: Challenge, look: Validate): Promise<void> {
  const { authorization, token } = challenge;
  const { identifier, wildcard, account } = authorization;
  const { thumbprint } = account;
  const proof = {
    identifier,
    wildcard,
    token,
    thumbprint,
    keyAuthorization: `${token}.${thumbprint}`,
    accountUrl: accountUrl(state, account),
    hashPrefix: hashPrefixOf(state),
  };
  const lookOnce = () => look(proof, state.settings, state.signal);
  try {
    await lookOnce();
    // Twice more at the same time, as CAs do from several networks: a response must outlive the first look.
    await Promise.all([lookOnce(), lookOnce()]);
    challenge.status = "valid";
    challenge.validated = state.settings.now();
    if (authorization.status !== "pending") return;
    authorization.status = "valid";
    const lifetime = state.settings.authorizationReuse || hour;
    authorization.expires = new Date(challenge.validated.getTime() + lifetime);
    state.settings.log(`${identifier.value}: ${challenge.type} is valid`);
  } catch (error) {
    const problem = problemOf(error, "The validation failed unexpectedly");
    challenge.status = "invalid";
    challenge.error = { ...problem.json, identifier };
    if (authorization.status === "pending") authorization.status = "invalid";
    state.settings.log(`${identifier.value}: ${challenge.type} is invalid: ${problem.message}`);
  }
}

const hour = 3_600_000;
