import type { SolverSetting } from "../certificate.ts";
import type { Dns01Challenge } from "../plugin.ts";

/** The TLSA records of a certificate: each is here before it is written, and until it is removed. */
export interface DaneStatus {
  records: readonly DaneRecord[];
  /** What the records were last brought in line with. */
  settled?: string | undefined;
  /** When one of them can be removed that no deploy step has replaced. */
  recheckAt?: string | undefined;
  /** Why records have no effect: a sentence for each zone without DNSSEC. */
  unsigned?: readonly string[] | undefined;
}
export interface DaneRecord {
  solver: SolverSetting;
  challenge: Dns01Challenge;
  /** Absent until `present` returned. */
  receipt?: unknown;
  /** When every name server showed it. */
  seenAt?: string | undefined;
  /** When no cache has an older set any more. */
  usableAt?: string | undefined;
  /** End of the last certificate with this key. */
  until?: string | undefined;
}
