import type { AccountTools } from "../account/open.ts";
import type { CertificateRequest, DnsSetting, IssuerSetting } from "../certificate.ts";
import type { Dns } from "../dns/dns.ts";
import { largestSkew } from "../skew.ts";
import type { ChallengeType } from "../plugin.ts";
import type { SolverSet } from "../solvers/open.ts";
import type { HeldCertificate } from "../state/store.ts";
import type { AttemptRecord } from "./record.ts";

/** All that the pipeline's steps may touch. Opened once per issuer, by `issuer/`. */
export interface IssueTools extends AccountTools {
  readonly solvers: SolverSet;
  /** The DNS as this setting wants it asked; the same one for equal settings. */
  readonly dns: (setting: DnsSetting) => Dns;
  /** What happens is reported here. `issue` begins a record of its own, which is stored. */
  readonly record: AttemptRecord;
  /** The text without any secret, for what is stored. */
  readonly redact: (text: string) => string;
  /** Hooks around the issuing of a certificate. */
  readonly around: AroundIssue;
  /** Where the embedded CA connects, by challenge type; absent for every other CA. */
  readonly selfCheckAt?: SelfCheckAt | undefined;
  /** The tools of another issuer, opened at first use and closed with these. */
  other(issuer: IssuerSetting): Promise<IssueTools>;
  close(): Promise<void>;
}

/** To undo and to resume what an earlier run has left. */
export type LeftoverTools = Pick<IssueTools, "store" | "solvers" | "record" | "clock" | "signal">;

/** Our time; the CA's, once it was asked and differs much: a wrong clock renews too much, or nothing. */
export function trueTime({ clock, ca }: Pick<IssueTools, "clock" | "ca">): Date {
  const now = clock.now().getTime();
  return new Date(Math.abs(ca.clockSkew) > largestSkew ? now + ca.clockSkew : now);
}

/** `ADDRESS:PORT` */
export type SelfCheckAt = Readonly<Partial<Record<ChallengeType, string>>>;

/** Called for every certificate that is about to be ordered. */
export interface AroundIssue {
  /** A temporary certificate is held. Whatever fails only warns. */
  temporary(request: CertificateRequest): Promise<void>;
  /** Rejects to stop this certificate before anything is ordered. */
  pre(request: CertificateRequest, held?: HeldCertificate): Promise<void>;
  issued(request: CertificateRequest): void;
  failure(request: CertificateRequest, error: unknown, held?: HeldCertificate): Promise<void>;
}

/** Where there are no hooks. */
export const noHooks: AroundIssue = {
  temporary: () => Promise.resolve(),
  pre: () => Promise.resolve(),
  issued: () => undefined,
  failure: () => Promise.resolve(),
};
