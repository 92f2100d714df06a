import { setTimeout as sleep } from "node:timers/promises";
import { json, retryAfter, type Answer } from "../server/answer.ts";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { payloadOf, signer, type SignedRequest } from "../signed/handler.ts";
import { authorizationStatus, timestamp, type Challenge, type State } from "../state.ts";
import { validateDns } from "../validation/dns.ts";
import { validateHttp } from "../validation/http.ts";
import { validateTlsAlpn } from "../validation/tls-alpn.ts";
import type { Proof } from "../validation/proof.ts";

/** Reads a challenge, or starts its validation when the payload is `{}` (RFC 8555 §7.5.1). */
export async function challenge(state: State, request: SignedRequest): Promise<Answer> {
  const found = state.challenges.get(request.ids[0] ?? "");
  if (found === undefined) {
    throw new AcmeProblem("malformed", "There is no such challenge.", { status: 404 });
  }
  if (found.authorization.account !== signer(request)) {
    throw new AcmeProblem("unauthorized", "This challenge belongs to another account.");
  }
  if (request.jws.payload !== "") await respond(state, request, found);
  return json(200, challengeJson(state, found), {
    link: [`<${state.base}/authz/${found.authorization.id}>;rel="up"`],
    ...(found.status === "processing" ? retryAfter(state) : {}),
  });
}

/** The challenge object of §7.1.5 and §8. */
export function challengeJson(state: State, challenge: Challenge): object {
  const { type, token, status, validated, error } = challenge;
  return {
    type,
    url: `${state.base}/challenge/${challenge.id}`,
    status,
    token,
    ...(validated === undefined ? {} : { validated: timestamp(validated) }),
    ...(error === undefined ? {} : { error }),
  };
}

async function respond(state: State, request: SignedRequest, challenge: Challenge): Promise<void> {
  const members = Object.keys(payloadOf(request));
  demand(members.length === 0, `The response must be {}; it has "${members.join('", "')}".`);
  if (challenge.status === "processing" || challenge.status === "valid") return;
  const status = authorizationStatus(state, challenge.authorization);
  demand(status === "pending", `The authorization is ${status}; its challenges are closed.`);
  demand(validators.has(challenge.type), `This CA does not validate ${challenge.type} either.`);
  const busy = challenge.authorization.challenges.some((each) => each.status === "processing");
  demand(!busy, "Another challenge of this authorization is being validated.");
  challenge.status = "processing";
  const { asynchronous } = state.settings;
  if (asynchronous === undefined) await validate(state, challenge);
  else void validateLater(state, challenge, asynchronous.delay);
}

const validators = new Map([
  ["http-01", validateHttp],
  ["dns-01", validateDns],
  ["tls-alpn-01", validateTlsAlpn],
]);

async function validateLater(state: State, challenge: Challenge, delay: number): Promise<void> {
  try {
    await sleep(delay, undefined, { signal: state.signal, ref: false });
  } catch {
    return;
  }
  await validate(state, challenge);
}

/** Settles the challenge and its authorization: one failure is final (§7.1.6). */
async function validate(state: State, challenge: Challenge): Promise<void> {
  const { authorization } = challenge;
  const { identifier } = authorization;
  try {
    await fromPerspectives(state, challenge);
    challenge.status = "valid";
    challenge.validated = state.settings.now();
    if (authorization.status !== "pending") return;
    authorization.status = "valid";
    authorization.expires = new Date(
      challenge.validated.getTime() + (state.settings.authorizationReuse || hour),
    );
    state.settings.log(`${identifier.value}: ${challenge.type} is valid`);
  } catch (error) {
    const problem = error instanceof AcmeProblem ? error : internal(error);
    challenge.status = "invalid";
    challenge.error = { ...problem.json, identifier };
    if (authorization.status === "pending") authorization.status = "invalid";
    state.settings.log(`${identifier.value}: ${challenge.type} is invalid: ${problem.message}`);
  }
}

const hour = 3_600_000;

/** Looks once, then twice more at the same time, as CAs do from several networks: a response must outlive the first look. */
async function fromPerspectives(state: State, challenge: Challenge): Promise<void> {
  const { token, authorization } = challenge;
  const proof: Proof = {
    identifier: authorization.identifier,
    token,
    keyAuthorization: `${token}.${authorization.account.thumbprint}`,
  };
  const look = validators.get(challenge.type) ?? unsupported;
  await look(proof, state.settings, state.signal);
  await Promise.all([
    look(proof, state.settings, state.signal),
    look(proof, state.settings, state.signal),
  ]);
}

async function unsupported(proof: Proof): Promise<void> {
  throw internal(new Error(`nothing validates ${proof.identifier.value}`));
}

function internal(error: unknown): AcmeProblem {
  return new AcmeProblem("serverInternal", `The validation broke: ${String(error)}`);
}
