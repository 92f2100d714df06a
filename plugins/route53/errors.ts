/** AWS's errors in words that say which zone, which name, as whom, and what to do. */
import { Problem } from "acmectl/plugin";
import {
  codeOf,
  effort,
  isGarbage,
  isNetwork,
  messageOf,
  networkText,
  serverTime,
  statusText,
} from "./answer.ts";
import { diagnose, identityOf } from "./credentials.ts";
import type { Asked } from "./credentials.ts";
import type { Zone } from "./zones.ts";

/** What was being done when the error came. */
export interface Attempt {
  /** Completes "Route 53: cannot …". */
  readonly doing: string;
  /** Of IAM, e.g. `route53:GetChange`. */
  readonly action: string;
  readonly zone?: Zone;
  readonly asked: Asked;
}

/** `example.com (Z123)`, or the id alone. */
export function zoneText(zone: Zone): string {
  return zone.name === undefined ? zone.id : `${zone.name} (${zone.id})`;
}

/** The Problem for an error of the SDK. Problems and an aborted signal's reason pass through. */
export async function problemOf(
  error: unknown,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<unknown> {
  if (signal.aborted) return signal.reason;
  if (Problem.is(error)) return error;
  if (!(error instanceof Error)) return error;
  const row = rows[codeOf(error)] ?? rowOf(error);
  return row(error, attempt);
}

type Row = (error: Error, attempt: Attempt) => Problem | Promise<Problem>;

const rows: Readonly<Record<string, Row>> = {
  CredentialsProviderError: noCredentials,
  TokenProviderError: noCredentials,
  InvalidClientTokenId: (error, attempt) =>
    config(error, attempt, {
      title: "AWS does not know the access key",
      hint: "The access key id was deleted, deactivated, belongs to another partition, or needs its session token (AWS_SESSION_TOKEN) beside it. Check with `aws sts get-caller-identity`.",
    }),
  SignatureDoesNotMatch: (error, attempt) =>
    config(error, attempt, {
      title: "AWS rejects the signature",
      hint: `Either the secret access key is not the one of this access key id (was it copied whole?), or this machine's clock is wrong: it shows ${new Date().toISOString()}${serverTime(error)}.`,
    }),
  ExpiredToken: (error, attempt) =>
    config(error, attempt, {
      title: "The AWS session has expired",
      hint: `Renew the session (\`aws sso login\`, or fetch new temporary keys), or use credentials that renew themselves: a profile, a role, an instance role. This machine's clock shows ${new Date().toISOString()}${serverTime(error)}.`,
    }),
  AccessDenied: accessDenied,
  NoSuchHostedZone: (error, attempt) =>
    config(error, attempt, {
      title: "The hosted zone does not exist",
      hint: "The id is wrong, the zone was deleted, or it belongs to another account: compare hostedZoneId (AWS_HOSTED_ZONE_ID) with `aws route53 list-hosted-zones`, or leave it out and let the name decide.",
    }),
  InvalidChangeBatch: invalidChange,
  Throttling: (error, attempt) =>
    failed(error, attempt, {
      title: "Route 53 is throttling this account",
      detail: `Route 53: cannot ${attempt.doing} ${identityOf(attempt.asked)}: throttled${effort(error)}`,
      hint: "Route 53 allows five requests a second for the whole account. Run again later; if other tools share the account, let them pause, or raise maxRetries (AWS_MAX_RETRIES).",
    }),
  PriorRequestNotComplete: (error, attempt) =>
    failed(error, attempt, {
      title: "Another change of the zone is still under way",
      hint: `Somebody else writes to the same hosted zone all the time${effort(error)}. Run again later.`,
    }),
};

function rowOf(error: Error): Row {
  if (isNetwork(error)) return network;
  if (isGarbage(error)) return garbage;
  return (error, attempt) =>
    failed(error, attempt, {
      hint: `AWS calls this ${error.name}. If it does not pass, look at https://health.aws.amazon.com and the account's CloudTrail.`,
    });
}

async function noCredentials(error: Error, attempt: Attempt): Promise<Problem> {
  const { findings, hint } = await diagnose(attempt.asked);
  return new Problem("config", {
    title: "No AWS credentials",
    detail: `Route 53: cannot ${attempt.doing}: found no usable AWS credentials. ${findings.join(" ")} The SDK says: ${messageOf(error)}`,
    hint,
  });
}

function accessDenied(error: Error, attempt: Attempt): Problem {
  const said = messageOf(error);
  const action = /perform: ([\w-]+:\w+)/.exec(said)?.[1] ?? attempt.action;
  const refusal = {
    said,
    action,
    who: /User: (\S+)/.exec(said)?.[1] ?? "the caller",
    resource: /on resource: (\S+)/.exec(said)?.[1] ?? resourceOf(action, attempt.zone),
  };
  return new Problem("config", {
    title: "AWS denies the access",
    detail: `Route 53: cannot ${attempt.doing}: ${refusal.who} may not ${action} on ${refusal.resource}. AWS says: ${said}`,
    hint: grantHint(refusal, attempt.asked),
  });
}

interface Refusal {
  readonly said: string;
  readonly who: string;
  readonly action: string;
  readonly resource: string;
}

function grantHint({ said, who, action, resource }: Refusal, asked: Asked): string {
  const statement = JSON.stringify({ Effect: "Allow", Action: action, Resource: resource });
  if (said.includes("explicit deny"))
    return `A policy denies it explicitly (an identity, permissions boundary or service control policy); another Allow does not help: lift the Deny on ${action}.`;
  if (action !== "sts:AssumeRole")
    return `Add this statement to the policy of ${who}: ${statement}`;
  const externalId = asked.externalId
    ? "with the external id that is set here"
    : "if it asks for an external id, set externalId (AWS_EXTERNAL_ID)";
  return `Two policies must agree: that of ${who} needs ${statement}, and the trust policy of ${resource} must name ${who}; ${externalId}.`;
}

function resourceOf(action: string, zone: Zone | undefined): string {
  if (action === "route53:GetChange") return "arn:aws:route53:::change/*";
  return zone === undefined ? "*" : `arn:aws:route53:::hostedzone/${zone.id}`;
}

function invalidChange(error: Error, attempt: Attempt): Problem {
  const said = messageOf(error);
  if (/not permitted in zone/i.test(said))
    return config(error, attempt, {
      title: "The name is not in the hosted zone",
      hint: "hostedZoneId (AWS_HOSTED_ZONE_ID) is the id of another zone: correct it, or leave it out and let the name decide.",
    });
  return failed(error, attempt, {
    title: "Route 53 refuses the change",
    hint: /conflicts with other records|CNAME/i.test(said)
      ? "Another record stands in the way at this name. If it is a CNAME, let acmectl follow it; else remove it."
      : "Nothing was changed: a batch is done whole or not at all. If somebody protects or rewrites these records, they have to let acmectl in.",
  });
}

function network(error: Error, attempt: Attempt): Problem {
  return new Problem("network", {
    detail: `Route 53: cannot ${attempt.doing}: ${networkText(error)}${effort(error)}`,
    hint: "Is there a way out to route53.amazonaws.com:443 (proxy, firewall, DNS)? An endpoint of your own (endpoint, AWS_ENDPOINT_URL) must answer as well.",
  });
}

function garbage(error: Error, attempt: Attempt): Problem {
  return new Problem("network", {
    title: "That was not Route 53",
    detail: `Route 53: cannot ${attempt.doing}: the answer is not what Route 53 sends${statusText(error)}`,
    hint: "A proxy, a captive portal or a wrong endpoint (endpoint, AWS_ENDPOINT_URL) answers in its place.",
  });
}

interface Words {
  readonly title?: string;
  readonly detail?: string;
  readonly hint: string;
}

function config(error: Error, attempt: Attempt, words: Words): Problem {
  return new Problem("config", { ...wordsOf(error, attempt), ...words });
}

function failed(error: Error, attempt: Attempt, words: Words): Problem {
  return new Problem("solver", { ...wordsOf(error, attempt), ...words });
}

function wordsOf(error: Error, attempt: Attempt) {
  return {
    detail: `Route 53: cannot ${attempt.doing} ${identityOf(attempt.asked)}: ${error.name}: ${messageOf(error)}`,
  };
}
