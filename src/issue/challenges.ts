import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import { serverNameOf } from "../address.ts";
import type { AcmeChallenge, Authorization } from "../acme/acme.ts";
import { orderedName } from "../acme/objects/authorization.ts";
import type { Challenge, ChallengeType, Identifier, Target } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { OpenSolver } from "../solvers/open.ts";

/** One way to prove a name. Every name has one or more, best first. */
export interface Choice {
  /** As ordered, a wildcard with its `*.`. */
  readonly identifier: Identifier;
  readonly solver: OpenSolver;
  /** Best first; the CA may not offer all. */
  readonly challengeTypes: readonly ChallengeType[];
  /** What the solver is asked about before an order exists; `recordName` is known after the preflight. */
  readonly target: Target;
}

/** One way to prove a pending authorization, fully computed for its solver. */
export interface PendingChallenge {
  /** As ordered, a wildcard with its `*.`. */
  readonly identifier: Identifier;
  readonly solver: OpenSolver;
  readonly challenge: Challenge;
  /** Where the response is put: a record's name, a URL or a host. */
  readonly place: string;
  /** As the CA offers it. */
  readonly offered: AcmeChallenge;
  /** URL. */
  readonly authorization: string;
}

/** Pair every pending authorization with what its choices can answer, best first. Valid ones need nothing and are left out. */
export function computeChallenges(
  authorizations: readonly Authorization[],
  choices: readonly Choice[],
  thumbprint: string,
): readonly PendingChallenge[] {
  return authorizations
    .filter(({ status }) => status !== "valid")
    .flatMap((authorization) => {
      assertPending(authorization);
      const { value } = orderedName(authorization);
      const able = choices.filter(({ identifier }) => identifier.value === value);
      const challenges = able.flatMap((choice) => challengeFor(choice, authorization, thumbprint));
      if (challenges.length === 0) throw noCommonType(authorization, able);
      return challenges;
    });
}

function assertPending(authorization: Authorization): void {
  const { status, identifier } = authorization;
  if (status === "pending") return;
  throw new Problem("validation", {
    detail: `The authorization of ${orderedName(authorization).value} is already ${status}.`,
    identifier,
    hint: "Run the command again: it makes a new order.",
  });
}

function challengeFor(
  choice: Choice,
  { url, challenges }: Authorization,
  thumbprint: string,
): readonly PendingChallenge[] {
  const { identifier, solver, challengeTypes, target } = choice;
  const usable = (wanted: ChallengeType) =>
    challenges.find(({ type, token }) => type === wanted && token !== undefined);
  const type = challengeTypes.find((one) => usable(one) !== undefined);
  const offered = type && usable(type);
  if (type === undefined || offered?.token === undefined) return [];
  const challenge = compute(type, target, offered.token, thumbprint);
  return [
    { identifier, solver, challenge, place: placeOf(challenge), offered, authorization: url },
  ];
}

function noCommonType(authorization: Authorization, able: readonly Choice[]): Problem {
  const { identifier } = authorization;
  const name = orderedName(authorization).value;
  const offered = authorization.challenges
    .map(({ type, token }) => (token === undefined ? `${type} (without a token)` : type))
    .join(", ");
  const answered = [...new Set(able.flatMap(({ challengeTypes }) => challengeTypes))].join(" or ");
  const detail =
    offered === ""
      ? `The CA offers no challenge for ${name}, and does not take it as proven.`
      : `The CA offers ${offered} for ${name}; ${answered === "" ? "no solver was chosen for it" : `the chosen solvers answer ${answered}`}.`;
  const hint =
    offered === ""
      ? "Check at the CA whether this account, or its provisioner, may issue for the name."
      : hintFor(authorization, able);
  return new Problem("refused", { title: "No common challenge type", detail, identifier, hint });
}

/** A solver may answer more types than it does unless asked, or than `--challenge` allowed. */
function hintFor({ challenges }: Authorization, able: readonly Choice[]): string {
  for (const { solver } of able) {
    const type = solver.plugin.challengeTypes.find((one) =>
      challenges.some((offered) => offered.type === one),
    );
    if (type !== undefined)
      return `Add --challenge ${type}: the solver ${solver.setting.name} can answer it.`;
  }
  return "Choose a solver for one of the types that the CA offers; `acmectl solvers list` shows them all.";
}

/** The name that a challenge proves, as it was ordered. */
export function provenName({ identifier: { value }, wildcard }: Challenge): string {
  return wildcard ? `*.${value}` : value;
}

function compute(
  type: ChallengeType,
  target: Target,
  token: string,
  thumbprint: string,
): Challenge {
  const keyAuthorization = `${token}.${thumbprint}`;
  const { identifier, wildcard } = target;
  const shared = { identifier, wildcard, token, keyAuthorization };
  if (type === "http-01") {
    const path = `/.well-known/acme-challenge/${token}`;
    return { ...shared, type, path, body: keyAuthorization };
  }
  const digest = createHash("sha256").update(keyAuthorization);
  if (type === "tls-alpn-01")
    return { ...shared, type, serverName: serverNameOf(identifier), digest: digest.digest("hex") };
  const validationName = target.validationName ?? `_acme-challenge.${identifier.value}`;
  return {
    ...shared,
    type,
    validationName,
    recordName: target.recordName ?? validationName,
    recordValue: digest.digest("base64url"),
  };
}

export function placeOf(challenge: Challenge): string {
  if (challenge.type === "dns-01") return challenge.recordName;
  const { value } = challenge.identifier;
  const host = isIPv6(value) ? `[${value}]` : value;
  return challenge.type === "http-01" ? `http://${host}${challenge.path}` : `${host}:443`;
}
