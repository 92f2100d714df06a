/** What solvers for providers' APIs have in common: they find zones, check before an order, and clean up what is left. */
import type { Call, Log, Target } from "../plugin.ts";
import type { Explain } from "./refusal.ts";
import type { ProviderZone } from "./zones.ts";
/** A provider, on behalf of somebody's credentials. */
export interface Provider {
  /** For messages, e.g. `Route 53`. */
  readonly vendor: string;
  /** What the provider calls a zone, e.g. `hosted zone`. */
  readonly zoneWord: string;
  readonly log: Log;
  /** See `explainRefusals`. */
  readonly explain: Explain;
  /** The same for `findZone`, if other credentials are used there. */
  readonly explainZones?: Explain | undefined;
  /** The zone that was configured, or see `zoneFinder`. */
  findZone(recordName: string, signal: AbortSignal): Promise<ProviderZone>;
  /** Reads the records at a name, and gives the name of a zone of which only the id is known, where it can be read. */
  check(zone: ProviderZone, recordName: string, signal: AbortSignal): Promise<string | undefined>;
  /** What can be checked of the credentials alone. */
  checkCredentials?(signal: AbortSignal): Promise<void>;
  /** A zone in messages; `example.com (Z123)` when absent. */
  showZone?(zone: ProviderZone): string;
  /** What to do when the configured zone does not hold the name. */
  readonly hintIfOutside: string;
}
/** A receipt says at least in which zone the record is. */
export interface ZoneReceipt {
  readonly zoneId: string;
  readonly zoneName?: string | undefined;
}
/** The steps that need no more than a provider's zones. */
export interface ZoneSteps {
  readonly zoneOf: (recordName: string, call: Call) => Promise<ProviderZone>;
  /** The zone of a record to be removed; nothing if there is none, for then its records are gone too. */
  readonly zoneLeft: (
    recordName: string,
    receipt: ZoneReceipt | undefined,
    call: Call,
  ) => Promise<ProviderZone | undefined>;
  readonly preflight: (targets: readonly Target[], call: Call) => Promise<void>;
  /** `hosted zone example.com (Z123)`. */
  readonly show: (zone: ProviderZone) => string;
}
export declare function zoneSteps(provider: Provider): ZoneSteps;
/** Nothing is there (any more). */
export declare function isAbsent(error: unknown): boolean;
/** A receipt with these texts; anything else, as older versions wrote it, is as good as none. */
export declare function readReceipt<R extends ZoneReceipt>(
  receipt: R | undefined,
  ...texts: readonly (keyof R & string)[]
): R | undefined;
