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
export declare function challengeFor<T extends ChallengeType>(
  type: T,
  name: string,
  details?: ChallengeDetails,
): ChallengeOf<T>;
/** What the world has to see once the challenge is presented: the body, the TXT value or the digest. */
export declare function responseOf(challenge: Challenge): string;
