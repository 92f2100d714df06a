import type { Ca, ExternalAccountBinding } from "../acme/acme.ts";
import type { Clock } from "../clock.ts";
import type { Dns } from "../dns/dns.ts";
import type { CertificateRequest, DnsSetting } from "../certificate.ts";
import type { Log } from "../plugin.ts";
import type { HeldCertificate, Store } from "../state/store.ts";
import type { SolverSet } from "../solvers/open.ts";

/** All that the pipeline's steps may touch. Built once per run, by the command. */
export interface IssueTools {
  readonly ca: Ca;
  readonly store: Store;
  readonly solvers: SolverSet;
  /** The DNS as this setting wants it asked. */
  readonly dns: (setting: DnsSetting) => Dns;
  readonly log: Log;
  /** The text without any secret, for what is kept. */
  readonly redact: (text: string) => string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Read from its reference by now; absent where the CA wants none. */
  readonly eab?: ExternalAccountBinding;
  readonly timeouts: Timeouts;
  /** Hooks around the issuing of a certificate. */
  readonly around: AroundIssue;
  /** Where the embedded CA asks for http-01; absent for every other CA. */
  readonly selfCheckAt?: string;
  /** Of the account that is to be used; the first usable one when absent. */
  readonly accountId?: string;
}

/** What is told of every certificate that is about to be ordered. */
export interface AroundIssue {
  /** Rejects to stop this certificate before anything is ordered. */
  pre(request: CertificateRequest, held?: HeldCertificate): Promise<void>;
  issued(request: CertificateRequest): void;
  failure(request: CertificateRequest, error: unknown, held?: HeldCertificate): Promise<void>;
}

/** Where there are no hooks. */
export const noHooks: AroundIssue = {
  pre: () => Promise.resolve(),
  issued: () => undefined,
  failure: () => Promise.resolve(),
};

/** Milliseconds. */
export interface Timeouts {
  /** For another run that holds the lock; 0 gives up at once. */
  readonly lock: number;
  readonly authorization: number;
  readonly order: number;
  /** For all clean-ups together, after Ctrl-C too. */
  readonly cleanup: number;
}

export const defaultTimeouts: Timeouts = {
  lock: 10 * 60_000,
  authorization: 10 * 60_000,
  order: 10 * 60_000,
  cleanup: 30_000,
};
