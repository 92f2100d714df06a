import type { Ca, ExternalAccountBinding } from "../acme/acme.ts";
import type { Clock } from "../clock.ts";
import type { Dns } from "../dns/dns.ts";
import type { DnsSetting } from "../certificate.ts";
import type { Log } from "../plugin.ts";
import type { Store } from "../store/store.ts";
import type { SolverSet } from "./solvers.ts";

/** All that the pipeline's steps may touch. Built once per run, by the command. */
export interface IssueTools {
  readonly ca: Ca;
  readonly store: Store;
  readonly solvers: SolverSet;
  /** The DNS as this setting wants it asked. */
  readonly dns: (setting: DnsSetting) => Dns;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Read from its reference by now; absent where the CA wants none. */
  readonly eab?: ExternalAccountBinding;
  readonly timeouts: Timeouts;
  /** Where the embedded CA asks for http-01; absent for every other CA. */
  readonly selfCheckAt?: string;
}

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
