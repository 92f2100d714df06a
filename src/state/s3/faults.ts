/** What an answer of the server, or none, means, and what to do about it. */
import { codeOf, messageOf } from "../../errors.ts";
import { Problem } from "../../problem.ts";
import type { Answered, Asked } from "./exchange.ts";
import type { BucketPlace } from "./place.ts";

export interface Refused {
  /** S3's word for it. */
  readonly code: string;
  /** True when it may be over at the next try. */
  readonly mayPass: boolean;
  /** The credentials have to be found anew. */
  readonly isExpired: boolean;
  problem(place: BucketPlace, now: number): unknown;
}

/** Undefined when the answer is one that was expected. */
export function refusalOf(asked: Asked, answered: Answered): Refused | undefined {
  const { status, text, headers } = answered;
  const code = elementOf(text, "Code") ?? usualCodes[status] ?? `${status}`;
  const isExpected = asked.expected?.some((one) => one === status || one === code);
  if ((status >= 200 && status < 300) || isExpected === true) return undefined;
  const message = elementOf(text, "Message") ?? "";
  const region = headers.get("x-amz-bucket-region") ?? elementOf(text, "Region");
  return {
    code,
    mayPass: passing.includes(code) || [429, 500, 502, 503, 504].includes(status),
    isExpired: code === "ExpiredToken",
    problem(place, now) {
      const said: Said = { asked, status, code, message, region, now };
      const [why, hint] = explained(said, place);
      return new Problem("machine", {
        detail: `Cannot use the state in ${place.where}: ${why}.`,
        hint,
        retryable: status >= 500 || status === 429,
      });
    },
  };
}

const passing = [
  "ConditionalRequestConflict",
  "ExpiredToken",
  "OperationAborted",
  "RequestTimeout",
  "SlowDown",
];

/** An odd server sends no code. */
const usualCodes: Readonly<Record<number, string>> = {
  301: "PermanentRedirect",
  307: "TemporaryRedirect",
  403: "AccessDenied",
  412: "PreconditionFailed",
  429: "SlowDown",
  501: "NotImplemented",
  503: "ServiceUnavailable",
};

/** The text of the first element of this name in an XML document of S3. */
export function elementOf(xml: string, name: string): string | undefined {
  const [, text] = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml) ?? [];
  return text === undefined ? undefined : decodedXml(text);
}

export function decodedXml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    lt: "<",
    gt: ">",
    quot: '"',
    apos: "'",
    amp: "&",
  };
  return text.replaceAll(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (all, decimal, hex, name) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return entities[name] ?? all;
  });
}

interface Said {
  readonly asked: Asked;
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly region: string | null | undefined;
  /** The server's time. */
  readonly now: number;
}
type Explained = readonly [why: string, hint: string];

function explained(said: Said, place: BucketPlace): Explained {
  const { code, region, status } = said;
  if (region && region !== place.region && wrongRegion.includes(code))
    return [
      `the bucket ${place.bucket} is in the region ${region}, not in ${place.region}`,
      `Add region=${region} to the URL, or set AWS_REGION=${region}.`,
    ];
  const known = ofCode(said, place)[code];
  if (known !== undefined) return known;
  const words = said.message === "" ? "" : `: ${said.message.replace(/\.$/, "")}`;
  if (wrongRegion.includes(code) && status < 400)
    return [
      `the server redirects (HTTP ${status})${words}`,
      "Give its region or its endpoint in the URL.",
    ];
  return [
    `the server answers ${operationOf(said.asked)} with ${code} (HTTP ${status})${words}`,
    status >= 500
      ? "Run again later; see the state of the service."
      : "Check that the endpoint is that of an S3 server.",
  ];
}

const wrongRegion = [
  "PermanentRedirect",
  "TemporaryRedirect",
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
  "Redirect",
];

function ofCode(
  { asked, message, now }: Said,
  place: BucketPlace,
): Readonly<Record<string, Explained>> {
  const { bucket, prefix } = place;
  const words = message === "" ? "" : `: ${message.replace(/\.$/, "")}`;
  const target = asked.key === undefined ? bucket : `${bucket}/${prefix}${asked.key}`;
  const slow: Explained = [
    `the server asks to slow down${words}`,
    "Run again later, with fewer workers or a smaller --concurrency.",
  ];
  const unknownKey: Explained = [
    "the server does not know the access key",
    "Check AWS_ACCESS_KEY_ID or the profile. A temporary key needs its AWS_SESSION_TOKEN.",
  ];
  return {
    NoSuchBucket: [
      `the server has no bucket ${bucket}`,
      `Create it, e.g. aws s3 mb s3://${bucket}, or correct the URL.`,
    ],
    AccessDenied: [
      `these credentials may not ${operationOf(asked)} on ${target}${words}`,
      "Give them the policy that `acmectl state init` shows and docs/state.md describes.",
    ],
    InvalidAccessKeyId: unknownKey,
    InvalidClientTokenId: unknownKey,
    // versitygw has a code of its own.
    XAdminUserNotFound: unknownKey,
    SignatureDoesNotMatch: [
      "the server does not accept the signature",
      "Copy the secret access key again, and check that the region is the server's.",
    ],
    ExpiredToken: [
      "the session of these credentials has expired",
      "Renew it (aws sso login), or use credentials that renew themselves: a profile or a role.",
    ],
    RequestTimeTooSkewed: [
      `the clock of this host shows ${new Date().toISOString()}, that of the server ${new Date(now).toISOString()}`,
      "Set the clock of this host, and keep it right with chrony or systemd-timesyncd.",
    ],
    SlowDown: slow,
    ServiceUnavailable: slow,
    Throttling: slow,
    NotImplemented: [
      `the server does not implement what acmectl needs (${operationOf(asked)}${words})`,
      conditionalHint,
    ],
  };
}

export const conditionalHint =
  "Use a store with conditional writes: current versions of Amazon S3, Cloudflare R2, MinIO, Ceph, SeaweedFS and versitygw have them.";

/** As a policy names it. */
function operationOf({ method, key }: Asked): string {
  if (key === undefined) return "s3:ListBucket";
  return { GET: "s3:GetObject", PUT: "s3:PutObject", DELETE: "s3:DeleteObject" }[method];
}

/** No answer came. */
export function unreached(error: unknown, wasReached: boolean): Refused {
  // fetch hides why.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  // A mistake of ours has no cause.
  const isOurs = Problem.is(error) || (error instanceof TypeError && cause === error);
  return {
    code: "no answer",
    mayPass: wasReached && !isOurs,
    isExpired: false,
    problem: (place) => (isOurs ? error : unreachedProblem(cause, place)),
  };
}

function unreachedProblem(cause: unknown, place: BucketPlace): Problem {
  const { host } = new URL(place.base);
  const isTls = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(codeOf(cause));
  return new Problem("machine", {
    detail: isTls
      ? `Cannot use the state in ${place.where}: the TLS certificate of ${host} is not accepted: ${messageOf(cause)}.`
      : `Cannot use the state in ${place.where}: the server ${host} is not reached: ${reasonOf(cause)}.`,
    hint: isTls
      ? "Use the host name that the certificate is for, and give a private CA with NODE_EXTRA_CA_CERTS=/path/ca.pem."
      : "Check the endpoint and region in the URL, whether the server runs, and firewalls and proxies in between.",
    retryable: !isTls,
    cause,
  });
}

function reasonOf(error: unknown): string {
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connection refused",
    ECONNRESET: "the connection was closed",
    UND_ERR_SOCKET: "the connection was closed",
    ETIMEDOUT: "no answer",
    ENOTFOUND: "there is no such host",
    EAI_AGAIN: "the name server does not answer",
    EHOSTUNREACH: "there is no route to the host",
  };
  return words[codeOf(error)] ?? messageOf(error).replace(/\.$/, "");
}
