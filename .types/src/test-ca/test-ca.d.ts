import { type Faults } from "./server/faults.ts";
import { type Profile, type RenewalInfo } from "./state.ts";
import type { RequestRecord } from "./server/records.ts";
export type { ArmedFault, Fault, FaultAction, Faults } from "./server/faults.ts";
export { UnreadableAuthority } from "./authority/folder.ts";
export type { ProblemJson } from "./acme-problem.ts";
export type { RequestRecord } from "./server/records.ts";
export type { ResourceKind } from "./server/routes.ts";
export type { Profile, RenewalInfo } from "./state.ts";
/** How the CA listens, validates and issues; everything has a default. */
export interface TestCaOptions {
  /** Address to listen on; default 127.0.0.1. With 0.0.0.0 or :: the URLs name this machine's host name. */
  readonly host?: string | undefined;
  /** Default 0: one that is free. */
  readonly port?: number | undefined;
  /** Where the roots and the issuing key are stored (0600 in 0700); absent: in memory. */
  readonly folder?: string | undefined;
  /** Port of http-01; default 80. */
  readonly httpPort?: number | undefined;
  /** Port of tls-alpn-01; default 443. */
  readonly tlsPort?: number | undefined;
  /**
   * "127.0.0.1:5353": the DNS server asked for TXT (dns-01), A and AAAA. Absent: every host is on loopback, and dns-01 asks
   * the system's resolvers.
   */
  readonly resolver?: string | undefined;
  /** External accounts: key identifier to HMAC key (base64url). */
  readonly eab?: Readonly<Record<string, string>> | undefined;
  /** Default: whether `eab` is given. */
  readonly requireEab?: boolean | undefined;
  /** Name to description and validity in milliseconds, the default one first. */
  readonly profiles?: Readonly<Record<string, Profile>> | undefined;
  /** URL; when given, accounts must agree. */
  readonly termsOfService?: string | undefined;
  /** Share of good nonces to reject, 0 to 1; default 0. */
  readonly badNonceRate?: number | undefined;
  /** Milliseconds that a valid authorization is reused; default 30 days, 0 for never. */
  readonly authorizationReuse?: number | undefined;
  /**
   * Validate and issue in the background, with `processing` states and Retry-After meanwhile: `delay` in milliseconds
   * (default 50), `retryAfter` in seconds (default 1). Default: done within the request.
   */
  readonly asynchronous?:
    | boolean
    | {
        readonly delay?: number;
        readonly retryAfter?: number;
      }
    | undefined;
  readonly now?: (() => Date) | undefined;
  /** Gets a line for each request, refusal and validation. */
  readonly log?: ((line: string) => void) | undefined;
}
/** A running CA. */
export interface TestCa {
  readonly directoryUrl: string;
  /** Trust anchor of the CA's own TLS certificate and of what it issues. */
  readonly rootPem: string;
  /** The root of the alternate chain. */
  readonly alternateRootPem: string;
  /** Every request so far, in order of arrival; the last 10,000 of them. */
  readonly requests: readonly RequestRecord[];
  readonly faults: Faults;
  /** Sets the ARI window of this certificate (RFC 9773 §4.1) from now on. */
  setRenewalInfo(certificateId: string, info: RenewalInfo): void;
  /** Stops listening and ends open connections. */
  close(): Promise<void>;
}
/**
 * Starts an ACME CA (RFC 8555, 8737, 8738, 9773 and profiles) for trying and testing: it validates for real, and
 * its root is trusted only where it was installed. Rejects as `listen` does, with `UnreadableAuthority` for broken keys in the
 * folder, and as the file system does for an unusable folder.
 */
export declare function startTestCa(options?: TestCaOptions): Promise<TestCa>;
