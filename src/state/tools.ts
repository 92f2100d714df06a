import type { Clock } from "../clock.ts";
import type { Log } from "../plugin.ts";
import type { Sealing } from "./sealing.ts";
import type { IndexEntry, StoredCertificate } from "./store.ts";

/** What a state backend may use of a run. */
export interface StateTools {
  readonly log: Log;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly mask: (secret: string) => void;
}

/** What a shared backend needs besides. */
export interface SharedTools extends StateTools {
  readonly sealing: Sealing;
  /** Milliseconds that a run keeps its leases after its last heartbeat; a minute without it. */
  readonly leaseTime?: number | undefined;
  /** Where this host has files of certificates for its servers. */
  readonly files: string;
  /** When a run has something to do with a certificate, for the index. Never later than it has, while nothing changes. */
  readonly indexOf: (certificate: StoredCertificate, now: Date) => IndexEntry;
}
