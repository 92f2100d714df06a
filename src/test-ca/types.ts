/** Types that tests of other projects use; they lead to nothing else of the CA. */

/** A certificate profile that the directory advertises; `validity` in milliseconds. */
export interface Profile {
  description: string;
  validity: number;
}

export interface RenewalInfo {
  start: Date;
  end: Date;
  explanationUrl?: string;
  /** Seconds. */
  retryAfter?: number;
}

/** The kinds of resource, by which faults and records name requests; `unknown` is any other path. */
export type ResourceKind =
  | "directory"
  | "newNonce"
  | "newAccount"
  | "newOrder"
  | "keyChange"
  | "revokeCert"
  | "renewalInfo"
  | "account"
  | "orders"
  | "order"
  | "finalize"
  | "authz"
  | "challenge"
  | "certificate"
  | "unknown";
