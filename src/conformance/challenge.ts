/** Well-formed challenges out of nothing. */
import { createHash, randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { Challenge, ChallengeOf, ChallengeType } from "../plugin.ts";

export interface ChallengeDetails {
  /** As if the certificate asked for `*.` + the name. */
  readonly wildcard?: boolean;
  /** Random when absent. */
  readonly token?: string;
  /** dns-01: where the CNAMEs of the validation name lead; the validation name when absent. */
  readonly recordName?: string;
}

/** A random challenge as a CA would make it for `name`, a DNS name in A-labels or an IP address. */
export function challengeFor<T extends ChallengeType>(
  type: T,
  name: string,
  details: ChallengeDetails = {},
): ChallengeOf<T> {
  const token = details.token ?? randomBytes(32).toString("base64url");
  const thumbprint = randomBytes(32).toString("base64url");
  return makers[type](
    {
      identifier: { type: isIP(name) === 0 ? "dns" : "ip", value: name },
      wildcard: details.wildcard ?? false,
      token,
      keyAuthorization: `${token}.${thumbprint}`,
    },
    details,
  );
}

/** What the world has to see once the challenge is presented: the body, the TXT value or the digest. */
export function responseOf(challenge: Challenge): string {
  if (challenge.type === "http-01") return challenge.body;
  return challenge.type === "dns-01" ? challenge.recordValue : challenge.digest;
}

type Base = Pick<Challenge, "identifier" | "wildcard" | "token" | "keyAuthorization">;

const makers: {
  [T in ChallengeType]: (base: Base, details: ChallengeDetails) => ChallengeOf<T>;
} = {
  "http-01": (base) => ({
    ...base,
    type: "http-01",
    path: `/.well-known/acme-challenge/${base.token}`,
    body: base.keyAuthorization,
  }),
  "dns-01": (base, { recordName }) => {
    const validationName = `_acme-challenge.${base.identifier.value}`;
    return {
      ...base,
      type: "dns-01",
      validationName,
      recordName: recordName ?? validationName,
      recordValue: sha256(base.keyAuthorization).toString("base64url"),
    };
  },
  "tls-alpn-01": (base) => ({
    ...base,
    type: "tls-alpn-01",
    digest: sha256(base.keyAuthorization).toString("hex"),
  }),
};

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
