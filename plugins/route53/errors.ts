/** How AWS, or its SDK, refuses, and what to do about it. */
import { Problem } from "acmectl/plugin";
import { codeOf, explainRefusals, fieldOf, oneLine, Refusal, textOf } from "acmectl/plugin/http";
import type { Explain, Meaning } from "acmectl/plugin/http";
import { diagnose, identityOf } from "./credentials.ts";
import type { Asked } from "./credentials.ts";

/** A request. */
export interface Attempt {
  /** Of IAM, without `route53:`. */
  readonly action: string;
  readonly zoneId?: string | undefined;
  readonly asked: Asked;
}

export function explainer(asked: Asked): Explain {
  return explainRefusals({
    vendor: "Route 53",
    meanings: [...authentication, accessDenied(asked), ...refusals],
    identity: () => identityOf(asked),
    hints: {
      connection:
        "Check the connection to route53.amazonaws.com:443 (proxy, firewall, captive portal, DNS). If endpoint (AWS_ENDPOINT_URL) is set, that server must offer the Route 53 API and must not redirect.",
      limit:
        "Run again later. If other tools share the account, pause them, or raise maxRetries (AWS_MAX_RETRIES): Route 53 allows five requests a second for the whole account.",
      other: "If it does not pass, see https://health.aws.amazon.com and the account's CloudTrail.",
    },
  });
}

/** The `Refusal` for an error of the SDK, or a Problem if it found no credentials. */
export async function refusalOf(error: unknown, attempt: Attempt): Promise<unknown> {
  if (!(error instanceof Error) || Problem.is(error) || error instanceof Refusal) return error;
  const code = aliases[error.name] ?? error.name;
  if (code === "CredentialsProviderError" || code === "TokenProviderError")
    return noCredentials(error, attempt.asked);
  const refusal = new Refusal(fieldsOf(error, code, attempt));
  refusal.effort = effort(error);
  return refusal;
}

const aliases: Readonly<Record<string, string>> = {
  AccessDeniedException: "AccessDenied",
  UnauthorizedOperation: "AccessDenied",
  ThrottlingException: "Throttling",
  TooManyRequestsException: "Throttling",
  ExpiredTokenException: "ExpiredToken",
  RequestExpired: "ExpiredToken",
  UnrecognizedClientException: "InvalidClientTokenId",
  InvalidAccessKeyId: "InvalidClientTokenId",
};

function fieldsOf(error: Error, code: string, attempt: Attempt) {
  const said = messageIn(error);
  const status = fieldOf(fieldOf(error, "$metadata"), "httpStatusCode");
  if (isNetwork(error)) {
    const reason = codeOf(error) === "" ? "" : ` (${codeOf(error)})`;
    return { lost: true, words: `${said || error.name}${reason}` };
  }
  if (isGarbage(error)) {
    const shown = typeof status === "number" ? ` (HTTP ${status})` : "";
    return { words: `not an answer from Route 53${shown}` };
  }
  const isSignature = code === "SignatureDoesNotMatch" || code === "ExpiredToken";
  return {
    status: typeof status === "number" ? status : 400,
    reasons: [code],
    throttled: code === "Throttling",
    words:
      code === "AccessDenied"
        ? denial(said, attempt)
        : `${code}: ${said}${isSignature ? clocks(error) : ""}`,
  };
}

/** AWS's message; that of SignatureDoesNotMatch goes on with the whole request, session token included. */
function messageIn(error: Error): string {
  return oneLine(error.message.split(/The Canonical String|The String-to-Sign/)[0] ?? "");
}

function clocks(error: Error): string {
  const time = Date.parse(textOf(fieldOf(fieldOf(error, "$response"), "headers"), "date") ?? "");
  const theirs = Number.isNaN(time) ? "" : `, AWS's ${new Date(time).toISOString()}`;
  return `; this machine's clock shows ${new Date().toISOString()}${theirs}`;
}

/** How often the SDK tried and how long it waited in between, or nothing. */
function effort(error: Error): string {
  const metadata = fieldOf(error, "$metadata");
  const [attempts, waited] = [fieldOf(metadata, "attempts"), fieldOf(metadata, "totalRetryDelay")];
  if (typeof attempts !== "number" || attempts < 2) return "";
  const seconds =
    typeof waited === "number" ? `, ${Math.round(waited / 100) / 10} s of waiting` : "";
  return ` after ${attempts} attempts${seconds}`;
}

/** No answer came. */
function isNetwork(error: Error): boolean {
  return (
    error.name === "TimeoutError" ||
    /^E[A-Z_]+$/.test(codeOf(error)) ||
    /socket hang up/.test(error.message)
  );
}

/** An answer came that the SDK cannot read. */
function isGarbage(error: Error): boolean {
  return (
    error instanceof SyntaxError ||
    error instanceof TypeError ||
    /deserializ|parse|Unclosed|Unexpected|UnknownError/i.test(`${error.name} ${error.message}`)
  );
}

async function noCredentials(error: Error, asked: Asked): Promise<Problem> {
  const { findings, hint } = await diagnose(asked);
  return new Problem("config", {
    title: "No AWS credentials",
    detail: `Solver route53: found no usable AWS credentials. ${findings.join(" ")} The SDK says: ${messageIn(error)}`,
    hint,
  });
}

function denial(said: string, { action, zoneId }: Attempt): string {
  const who = /User: (\S+)/.exec(said)?.[1] ?? "the caller";
  const denied = /perform: ([\w-]+:\w+)/.exec(said)?.[1] ?? `route53:${action}`;
  const own = zoneId === undefined ? "*" : `arn:aws:route53:::hostedzone/${zoneId}`;
  const fallback = action === "GetChange" ? "arn:aws:route53:::change/*" : own;
  const resource = /on resource: (\S+)/.exec(said)?.[1] ?? fallback;
  return `AccessDenied: ${who} may not ${denied} on ${resource}. AWS says: ${said}`;
}

/** Reads its facts from the words of `denial`. */
function accessDenied({ externalId }: Asked): Meaning {
  return {
    when: ["AccessDenied"],
    title: "AWS denies access",
    hint({ message }) {
      const [, who = "", action = "", resource = "", said = ""] =
        /^AccessDenied: (.+?) may not (\S+) on (\S+)\. AWS says: (.*)$/.exec(message) ?? [];
      const statement = JSON.stringify({ Effect: "Allow", Action: action, Resource: resource });
      if (said.includes("explicit deny"))
        return `Lift the Deny on ${action}: a policy denies it explicitly (an identity, permissions boundary or service control policy), and another Allow does not help.`;
      if (action !== "sts:AssumeRole")
        return `Add this statement to the policy of ${who}: ${statement}`;
      const id =
        externalId !== undefined
          ? "with the external id that is set here"
          : "if it asks for an external id, set externalId (AWS_EXTERNAL_ID)";
      return `Add ${statement} to the policy of ${who}, and name ${who} in the trust policy of ${resource}; ${id}.`;
    },
  };
}

const authentication: readonly Meaning[] = [
  {
    when: ["InvalidClientTokenId"],
    title: "AWS does not know the access key",
    hint: "Check the key with `aws sts get-caller-identity`. It was deleted or deactivated, belongs to another partition, or requires its session token (AWS_SESSION_TOKEN).",
  },
  {
    when: ["SignatureDoesNotMatch"],
    title: "AWS rejects the signature",
    hint: "Copy the whole secret access key of this access key id again, and compare the clocks.",
  },
  {
    when: ["ExpiredToken"],
    title: "The AWS session has expired",
    hint: "Renew the session (`aws sso login`, or fetch new temporary keys), compare the clocks, or use credentials that renew themselves: a profile, a role, an instance role.",
  },
];

const refusals: readonly Meaning[] = [
  {
    when: ["NoSuchHostedZone"],
    title: "The hosted zone does not exist",
    hint: "Compare hostedZoneId (AWS_HOSTED_ZONE_ID) with `aws route53 list-hosted-zones`, or leave it out. The id is wrong, the zone was deleted, or it belongs to another account.",
  },
  {
    kind: "solver",
    when: ["PriorRequestNotComplete"],
    title: "Another change of the zone is still in progress",
    hint: "Run again later, or pause the tool that keeps writing to the same hosted zone.",
  },
  {
    when: (refusal) => /not permitted in zone/i.test(refusal.message),
    title: "The name is not in the hosted zone",
    hint: "Correct hostedZoneId (AWS_HOSTED_ZONE_ID), which is the id of another zone, or leave it out.",
  },
  {
    kind: "solver",
    when: (refusal) =>
      refusal.says("InvalidChangeBatch") &&
      /conflicts with other records|CNAME/i.test(refusal.message),
    title: "Another record is in the way",
    hint: "Let acmectl follow the CNAME at this name, or remove the other record.",
  },
  {
    kind: "solver",
    when: ["InvalidChangeBatch"],
    title: "Route 53 rejects the change",
    hint: "Find out what protects or rewrites these records, and let acmectl change them. Nothing was changed: a batch is done whole or not at all.",
  },
];
