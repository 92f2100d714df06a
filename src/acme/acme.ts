/**
 * What the rest of acmectl sees of a certificate authority: RFC 8555's objects as plain values, and the calls on them.
 * Everything is checked below this line: a value that arrives here is well formed, its tokens match `^[A-Za-z0-9_-]+$`,
 * its URLs are https on the directory's hosts, its texts are free of control characters.
 */
import type { MacAlgorithm } from "../certificate.ts";
import type { Identifier } from "../plugin.ts";
import type { ProblemDocument } from "../problem.ts";
import type { Signer } from "./signer.ts";

export interface Directory {
  readonly url: string;
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  readonly revokeCert?: string | undefined;
  readonly keyChange?: string | undefined;
  /** RFC 9773 §4.1; absent when the CA has no ARI. */
  readonly renewalInfo?: string | undefined;
  readonly meta: {
    readonly termsOfService?: string | undefined;
    readonly website?: string | undefined;
    readonly caaIdentities: readonly string[];
    /** Names of the CA in dns-persist-01 records (draft 02). */
    readonly issuerDomainNames?: readonly string[] | undefined;
    /** dns-persist-01 (draft 02): what the account's URI begins with in records. */
    readonly accountHashPrefix?: string | undefined;
    readonly externalAccountRequired: boolean;
    /** Profile name to its description. */
    readonly profiles: Readonly<Record<string, string>>;
  };
}

export interface Account {
  readonly url: string;
  readonly status: "valid" | "deactivated" | "revoked";
  readonly contact: readonly string[];
}

/** RFC 8555 §7.1.6, as are the others. */
export const orderStatuses = ["pending", "ready", "processing", "valid", "invalid"] as const;
export interface Order {
  readonly url: string;
  readonly status: (typeof orderStatuses)[number];
  readonly identifiers: readonly Identifier[];
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate?: string | undefined;
  readonly expires?: Date | undefined;
  /** The certificate that the CA accepts as replaced by this order's (RFC 9773 §5). */
  readonly replaces?: string | undefined;
  readonly error?: ProblemDocument | undefined;
  /** When the CA wants to be asked again; absent when it did not say. */
  readonly retryAfter?: Date | undefined;
}

export const authorizationStatuses = [
  "pending",
  "valid",
  "invalid",
  "deactivated",
  "expired",
  "revoked",
] as const;
export interface Authorization {
  readonly url: string;
  readonly status: (typeof authorizationStatuses)[number];
  /** Without `*.`; see `wildcard`. */
  readonly identifier: Identifier;
  readonly wildcard: boolean;
  readonly challenges: readonly AcmeChallenge[];
  readonly expires?: Date | undefined;
  readonly retryAfter?: Date | undefined;
}

export const challengeStatuses = ["pending", "processing", "valid", "invalid"] as const;
/** A challenge as the CA offers it. `type` may be one that acmectl does not know. */
export interface AcmeChallenge {
  readonly url: string;
  readonly type: string;
  readonly status: (typeof challengeStatuses)[number];
  /** Absent for challenge types that have none. */
  readonly token?: string | undefined;
  /** Of dns-persist-01: names of the CA, any of which may be in the record. */
  readonly issuerDomainNames?: readonly string[] | undefined;
  /** Of dns-persist-01, in its early drafts: the account. */
  readonly accountUri?: string | undefined;
  readonly error?: ProblemDocument | undefined;
}

export interface ExternalAccountBinding {
  readonly kid: string;
  /** base64url, as CAs hand it out. */
  readonly hmacKey: string;
  /** HS256 when absent. */
  readonly algorithm?: MacAlgorithm | undefined;
}

export interface NewOrder {
  /** As ordered: a wildcard is `{ type: "dns", value: "*.example.com" }`. */
  readonly identifiers: readonly Identifier[];
  readonly profile?: string | undefined;
  /** RFC 3339. */
  readonly notBefore?: string | undefined;
  readonly notAfter?: string | undefined;
  /** RFC 9773 §5: the certificate id of the predecessor. */
  readonly replaces?: string | undefined;
  /** The names are exactly those of a certificate that this CA has issued. For our count of its limits: it is not sent. */
  readonly renews?: boolean | undefined;
}

/** One chain as downloaded: PEM, leaf first. Untrusted until `acceptCertificate`. */
export interface DownloadedChain {
  readonly url: string;
  readonly pem: string;
  /** The block `CERTIFICATE PROPERTIES` that came with it, PEM. */
  readonly properties?: string | undefined;
  /** Where the CA will have other forms of it (Link rel="acme-optional-alternate"). They are never waited for. */
  readonly optional?: readonly string[] | undefined;
}

export interface RenewalInfo {
  readonly start: Date;
  readonly end: Date;
  readonly explanationUrl?: string | undefined;
  /** Already clamped to 1 min … 6 h (RFC 9773 §4.3.2). */
  readonly retryAfter: Date;
}

/** Options of every waiting loop. */
export interface Waiting {
  readonly signal: AbortSignal;
  /** Milliseconds in all; the object's own `expires` ends the wait as well. */
  readonly timeout: number;
  /** Called at every turn, and at least every 15 seconds, with the milliseconds waited so far. */
  readonly onWait?: ((waited: number) => void) | undefined;
}

/** A CA, by its directory URL. The directory is fetched once, at first need. */
export interface Ca {
  readonly url: string;
  /** How command lines name this CA and the state of this run, for hints: `--server URL`. */
  readonly flags: string;
  directory(signal: AbortSignal): Promise<Directory>;
  /** Begin to fetch what the first order needs: the directory and a nonce. A failure is reported by the call that needs them. */
  prepare(signal: AbortSignal): void;
  /** Speak as the holder of this account key. `accountUrl` where it is known already. No request is made. */
  session(accountKey: Signer, accountUrl: string | undefined): AccountSession;
  /** RFC 9773: unauthenticated GET. */
  renewalInfo(certificateId: string, signal: AbortSignal): Promise<RenewalInfo>;
  /** The CA's clock minus ours in milliseconds, from the last Date header; 0 before the first answer. */
  readonly clockSkew: number;
  /** What is trusted beside the roots of this machine, as PEM. */
  readonly extraRoots: readonly string[];
  close(): Promise<void>;
}

export interface AccountSession {
  /** Known after `register`, `find` or from the start. */
  readonly url: string | undefined;
  /** RFC 7638 thumbprint of the account key, the second half of every key authorization. */
  readonly thumbprint: string;
  register(
    account: {
      contact: readonly string[];
      termsOfServiceAgreed: boolean;
      eab?: ExternalAccountBinding | undefined;
    },
    signal: AbortSignal,
  ): Promise<Account>;
  /** RFC 8555 §7.3.1 `onlyReturnExisting`: undefined when the CA has no account for this key. */
  find(signal: AbortSignal): Promise<Account | undefined>;
  read(signal: AbortSignal): Promise<Account>;
  update(change: { contact: readonly string[] }, signal: AbortSignal): Promise<Account>;
  deactivate(signal: AbortSignal): Promise<Account>;
  /** RFC 8555 §7.3.5. The caller has stored `newKey` before. */
  rollover(newKey: Signer, signal: AbortSignal): Promise<void>;
  /** Rejects if a limit that is known leaves no room for the order. The CA is not asked. */
  assertRoom?(order: NewOrder): Promise<void>;
  newOrder(order: NewOrder, signal: AbortSignal): Promise<Order>;
  order(url: string, signal: AbortSignal): Promise<Order>;
  authorization(url: string, signal: AbortSignal): Promise<Authorization>;
  /** RFC 8555 §7.5.2: the CA does not count it as a proof any more. */
  deactivateAuthorization(url: string, signal: AbortSignal): Promise<void>;
  /** POST `{}` to the challenge (RFC 8555 §7.5.1). */
  respond(challenge: AcmeChallenge, signal: AbortSignal): Promise<void>;
  /** Poll until the authorization is final. Rejects with a `validation` Problem when it became anything but valid. */
  waitForAuthorization(url: string, waiting: Waiting): Promise<Authorization>;
  /** Send the CSR (DER). Answers the order as the CA returned it. An `orderNotReady` is answered by reading the order again. */
  finalize(order: Order, csr: Uint8Array, signal: AbortSignal): Promise<Order>;
  /** Poll until `valid` or `invalid`; `invalid` rejects with the order's and authorizations' problems. */
  waitForOrder(order: Order, waiting: Waiting): Promise<Order>;
  /** The default chain, and the alternates (Link rel="alternate", at most 10) when `alternates` is set. */
  download(
    order: Order,
    options: { alternates: boolean; signal: AbortSignal },
  ): Promise<readonly DownloadedChain[]>;
  /** Another form of a certificate, or from when on the CA may have it. */
  optionalAlternate(url: string, signal: AbortSignal): Promise<DownloadedChain | Date>;
  /** `alreadyRevoked` is success. */
  revoke(
    certificate: { der: Uint8Array; reason?: number | undefined },
    signal: AbortSignal,
  ): Promise<void>;
}
