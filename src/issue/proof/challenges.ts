import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import type { AccountTools } from "../../account/open.ts";
import { serverNameOf } from "../../address.ts";
import { accountValidationName, persistDemand, persistName } from "../../acme/account-records.ts";
import type { AccountSession, AcmeChallenge, Authorization, Directory } from "../../acme/acme.ts";
import { registerCommand } from "../../acme/hints.ts";
import { orderedName } from "../../acme/objects/authorization.ts";
import type { ChallengeChoice, SolverSetting } from "../../certificate.ts";
import type { Challenge, ChallengeType, Identifier, Target } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { OpenSolver } from "../../solvers/open.ts";

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

/** Whose challenges are answered, and of which CA: DNS records may name both. */
export interface Applicant {
  /** Of the account's key. */
  readonly thumbprint: string;
  /** Of the account; unknown before it is registered. */
  readonly url?: string | undefined;
  readonly directory?: Directory | undefined;
}

export async function applicantOf(
  { thumbprint, url }: Pick<AccountSession, "thumbprint" | "url">,
  { ca, signal }: Pick<AccountTools, "ca" | "signal">,
): Promise<Applicant> {
  return { thumbprint, url, directory: await ca.directory(signal) };
}

/** Pair every pending authorization with what its choices can answer, best first. Valid ones need nothing and are left out. */
export function computeChallenges(
  authorizations: readonly Authorization[],
  choices: readonly Choice[],
  applicant: Applicant,
): readonly PendingChallenge[] {
  return authorizations
    .filter(({ status }) => status !== "valid")
    .flatMap((authorization) => {
      assertPending(authorization);
      const { value } = orderedName(authorization);
      const able = choices.filter(({ identifier }) => identifier.value === value);
      const challenges = able.flatMap((choice) => challengeFor(choice, authorization, applicant));
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
  applicant: Applicant,
): readonly PendingChallenge[] {
  const { identifier, solver, challengeTypes, target } = choice;
  const usable = (wanted: ChallengeType) =>
    challenges.find(
      ({ type, token }) =>
        type === offeredType(wanted, solver.setting) &&
        (token !== undefined || type === "dns-persist-01"),
    );
  const type = challengeTypes.find((one) => usable(one) !== undefined);
  const offered = type && usable(type);
  if (type === undefined || offered === undefined) return [];
  const challenge = compute(type, target, offered, applicant);
  return [
    { identifier, solver, challenge, place: placeOf(challenge), offered, authorization: url },
  ];
}

/** dns-account-01 differs from dns-01 in the record's name only, so that solvers need not know it. */
export function offeredType(type: ChallengeType, { challenge }: SolverSetting): ChallengeChoice {
  return type === "dns-01" && challenge === "dns-account-01" ? challenge : type;
}

function noCommonType(authorization: Authorization, able: readonly Choice[]): Problem {
  const { identifier } = authorization;
  const name = orderedName(authorization).value;
  const offered = authorization.challenges
    .map(({ type, token }) => (token === undefined ? `${type} (without a token)` : type))
    .join(", ");
  const types = able.flatMap(({ challengeTypes, solver }) =>
    challengeTypes.map((type) => offeredType(type, solver.setting)),
  );
  const answered = [...new Set(types)].join(" or ");
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
  offered: AcmeChallenge,
  applicant: Applicant,
): Challenge {
  const { identifier, wildcard } = target;
  if (type === "dns-persist-01") return persistChallenge(target, offered, applicant);
  const { token = "" } = offered;
  const keyAuthorization = `${token}.${applicant.thumbprint}`;
  const shared = { identifier, wildcard, token, keyAuthorization };
  if (type === "http-01") {
    const path = `/.well-known/acme-challenge/${token}`;
    return { ...shared, type, path, body: keyAuthorization };
  }
  const digest = createHash("sha256").update(keyAuthorization);
  if (type === "tls-alpn-01")
    return { ...shared, type, serverName: serverNameOf(identifier), digest: digest.digest("hex") };
  const validationName = target.validationName ?? validationNameOf("dns-01", identifier.value);
  return {
    ...shared,
    type,
    validationName,
    recordName: target.recordName ?? validationName,
    recordValue: digest.digest("base64url"),
  };
}

function persistChallenge(
  target: Target,
  offered: AcmeChallenge,
  { url, thumbprint, directory }: Applicant,
): Challenge {
  if (url === undefined || directory === undefined) throw noAccount("dns-persist-01");
  const demand = persistDemand(target, { url, thumbprint }, directory, offered);
  const recordName = target.recordName ?? demand.validationName;
  return { ...demand, type: "dns-persist-01", recordName, token: "", keyAuthorization: "" };
}

/** The records of these types name the account. */
export function noAccount(type: ChallengeChoice, caFlags = ""): Problem {
  return new Problem("usage", {
    title: "No registered account",
    detail: `${type} uses DNS records that name the account, and no account with this CA is registered here.`,
    hint: `Register it first: ${registerCommand(caFlags).trim()}`,
  });
}

/** Where the CA looks for a record that proves `name`. */
export function validationNameOf(
  type: "dns-01" | "dns-persist-01",
  name: string,
  accountUrl?: string,
): string {
  if (type === "dns-persist-01") return persistName(name);
  return accountUrl === undefined
    ? `_acme-challenge.${name}`
    : accountValidationName(name, accountUrl);
}

export function placeOf(challenge: Challenge): string {
  if ("recordName" in challenge) return challenge.recordName;
  const { value } = challenge.identifier;
  const host = isIPv6(value) ? `[${value}]` : value;
  return challenge.type === "http-01" ? `http://${host}${challenge.path}` : `${host}:443`;
}
