/** What is known of the attempts to issue a certificate, of its renewal and of its deployment. */
import type { DaneStatus } from "./dane.ts";
import type { ProblemDocument } from "../problem.ts";

/** One line of the last attempt, as `status` shows it. */
export interface AttemptEvent {
  at: string;
  level: "debug" | "info" | "warn" | "error";
  step: string;
  message: string;
  identifier?: string | undefined;
}
/** One name of the last attempt's order, and its challenges. */
export interface AttemptAuthorization {
  /** As ordered, a wildcard with its `*.`. */
  identifier: string;
  url: string;
  /** The CA's last answer. */
  status: string;
  /** Those that solvers tried, in order. */
  challenges: readonly AttemptChallenge[];
}
export interface AttemptChallenge {
  type: string;
  solver: string;
  /** Where the response was put: a record's name, a URL or a host. */
  place: string;
  /** `failed` before the CA was asked; `valid` and `invalid` are the CA's words. */
  status: "presenting" | "presented" | "failed" | "valid" | "invalid";
  /** What was seen there from here, each server's last answer. */
  looks: readonly { server: string; saw: string }[];
  problem?: (ProblemDocument & { hint?: string | undefined }) | undefined;
}
/** An order of an attempt. */
export interface AttemptOrder {
  orderUrl?: string | undefined;
  /** Absent before an order was made, and in records of older releases. */
  authorizations?: readonly AttemptAuthorization[] | undefined;
}
export interface CertificateStatus {
  lastAttempt?: AttemptOrder & {
    startedAt: string;
    endedAt?: string;
    outcome?: "issued" | "failed";
    /** Orders before that one: for the first of two keys, or at another CA. */
    earlier?: readonly AttemptOrder[] | undefined;
    events: readonly AttemptEvent[];
    problem?: (ProblemDocument & { hint?: string | undefined }) | undefined;
  };
  lastSuccess?: string;
  previousSuccess?: string | undefined;
  /** Failures since the last success; the back-off is computed from it. */
  failures: number;
  /** Not before this time, ours or the CA's. */
  retryAt?: string | undefined;
  /** The CA's own Retry-After; --force does not clear it. */
  caRetryAt?: string;
  /** The certificate with this fingerprint, and that for its second key, were revoked by `acmectl revoke`. */
  revoked?: { fingerprint: string; at: string; reason: string };
  /** `cap` is our own limit for a set of names. */
  retryReason?: "backoff" | "ca" | "permanent" | "cap" | "limit";
  /** Hash of the request that failed: a permanent problem waits until the request changes. */
  failedRequest?: string;
  alternates?: AlternatesStatus | undefined;
  ari?: AriStatus | undefined;
  dane?: DaneStatus | undefined;
  /** What the CA issued in the last week, whether it could be used or not. */
  issuances?: readonly Issuance[] | undefined;
  /** Per deploy step, keyed by a hash of its setting, so that reordering the list changes nothing; absent when there is none. */
  deploy?: Readonly<Record<string, DeployState>> | undefined;
  /** In the folder of a host: `acmectl pull` brought it from a shared state. */
  pulled?: boolean | undefined;
}
export interface Issuance {
  at: string;
  /** Of the exact set of names; see `namesHash`. */
  names: string;
  /** URL. */
  order: string;
  /** URL of the CA's directory; absent in records of older releases. */
  directory?: string | undefined;
}
export interface DeployState {
  /** The version of the certificate that was deployed. */
  version: number;
  /** `pending` before it was tried; a run that was killed leaves it so, and it is repeated like a failure. */
  state: "pending" | "done" | "failed";
  at: string;
  /** Why it failed, secrets masked. */
  detail?: string | undefined;
}
/** The CA's renewal information for one certificate (RFC 9773). */
/** What is known of the forms of a certificate that its CA has only later. */
export interface AlternatesStatus {
  /** Of the certificate. */
  fingerprint: string;
  /** Their URLs, as far as they need not be asked again. */
  done: readonly string[];
  nextCheck: string;
}
export interface AriStatus {
  certificateId: string;
  nextCheck: string;
  /** For the second key's certificate. */
  second?: AriStatus | undefined;
  /** Absent until the CA has answered. */
  window?:
    | { start: string; end: string; selected: string; explanationUrl?: string | undefined }
    | undefined;
}
