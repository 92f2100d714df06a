import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import type { AcmeChallenge, Authorization } from "../acme/acme.ts";
import type { Challenge } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { OpenSolver } from "../solvers/open.ts";
import type { Assignment, Candidate } from "./targets.ts";

/** A pending authorization with the challenges that could prove it, best first, fully computed for their solvers. */
export interface PendingAuthorization {
  readonly authorization: Authorization;
  readonly attempts: readonly Attempt[];
}
export interface Attempt {
  readonly open: OpenSolver;
  readonly challenge: Challenge;
  readonly offered: AcmeChallenge;
  readonly authorizationUrl: string;
}

/** Pair every pending authorization with what its candidates can do. Valid ones need nothing and are left out. */
export function chooseChallenges(
  authorizations: readonly Authorization[],
  assignments: readonly Assignment[],
  thumbprint: string,
): readonly PendingAuthorization[] {
  return authorizations
    .filter(({ status }) => status !== "valid")
    .map((authorization) => {
      assertPending(authorization);
      return { authorization, attempts: attemptsFor(authorization, assignments, thumbprint) };
    });
}

function assertPending({ status, identifier, wildcard }: Authorization): void {
  if (status === "pending") return;
  throw new Problem("validation", {
    detail: `The authorization of ${nameOf(identifier.value, wildcard)} is ${status} already.`,
    identifier,
    hint: "Run the command again: it makes a new order.",
  });
}

function attemptsFor(
  authorization: Authorization,
  assignments: readonly Assignment[],
  thumbprint: string,
): readonly Attempt[] {
  const name = nameOf(authorization.identifier.value, authorization.wildcard);
  const candidates =
    assignments.find(({ identifier }) => identifier.value === name)?.candidates ?? [];
  const attempts = candidates.flatMap((candidate) => {
    const offered = authorization.challenges.find(({ type }) => type === candidate.challengeType);
    return offered?.token === undefined
      ? []
      : [
          {
            open: candidate.open,
            offered,
            authorizationUrl: authorization.url,
            challenge: compute(candidate, offered.token, thumbprint),
          },
        ];
  });
  if (attempts.length > 0) return attempts;
  const wanted = [...new Set(candidates.map(({ challengeType }) => challengeType))].join(" or ");
  throw new Problem("refused", {
    title: "No common challenge type",
    detail: `The CA offers ${authorization.challenges.map(({ type }) => type).join(", ")} for ${name}; the chosen solvers answer ${wanted || "none of its names"}.`,
    identifier: authorization.identifier,
    hint: "Choose a solver for one of the types that the CA offers; `acmectl solvers list` shows them.",
  });
}

function nameOf(value: string, wildcard: boolean): string {
  return wildcard ? `*.${value}` : value;
}

/** The name that a challenge proves, as it was ordered. */
export function provenName({ identifier, wildcard }: Challenge): string {
  return nameOf(identifier.value, wildcard);
}

type Told = "identifier" | "challenge" | "solver" | "place";

/** What tells of one attempt in an event; the last attempt's record is gathered from it. */
export function fieldsOf({ open, challenge }: Attempt): Record<Told, string> {
  return {
    identifier: provenName(challenge),
    challenge: challenge.type,
    solver: open.setting.name,
    place: placeOf(challenge),
  };
}

function placeOf(challenge: Challenge): string {
  const { identifier } = challenge;
  const host = isIPv6(identifier.value) ? `[${identifier.value}]` : identifier.value;
  if (challenge.type === "dns-01") return challenge.recordName;
  return challenge.type === "http-01" ? `http://${host}${challenge.path}` : `${host}:443`;
}

function compute(
  { challengeType, target }: Candidate,
  token: string,
  thumbprint: string,
): Challenge {
  const keyAuthorization = `${token}.${thumbprint}`;
  const { identifier, wildcard } = target;
  const shared = { identifier, wildcard, token, keyAuthorization };
  if (challengeType === "http-01") {
    return {
      ...shared,
      type: "http-01",
      path: `/.well-known/acme-challenge/${token}`,
      body: keyAuthorization,
    };
  }
  const digest = createHash("sha256").update(keyAuthorization);
  if (challengeType === "tls-alpn-01")
    return { ...shared, type: "tls-alpn-01", digest: digest.digest("hex") };
  const validationName = target.validationName ?? `_acme-challenge.${identifier.value}`;
  const recordName = target.recordName ?? validationName;
  return {
    ...shared,
    type: "dns-01",
    validationName,
    recordName,
    recordValue: digest.digest("base64url"),
  };
}
