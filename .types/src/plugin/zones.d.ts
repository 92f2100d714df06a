/** Which of a provider's zones holds a name. */
import type { Log, Zone } from "../plugin.ts";
import { Problem } from "../problem.ts";
/** A zone as a provider knows it. */
export interface ProviderZone {
  /** By which the API addresses it. */
  readonly id: string;
  /** In lower case, without the trailing dot; absent while only the id is known. */
  readonly name?: string | undefined;
}
export interface ListedZone extends ProviderZone {
  readonly name: string;
}
/** How a provider lists its zones, and what to say when the list does not help. */
export interface ZoneSource<Z extends ListedZone> {
  /** For messages, e.g. `Route 53`. */
  readonly vendor: string;
  /** What the provider calls a zone, e.g. `hosted zone`. */
  readonly zoneWord: string;
  /** The first page. `all` is false if there are more zones. */
  list(signal: AbortSignal): Promise<{
    readonly zones: readonly Z[];
    readonly all: boolean;
  }>;
  /** All zones of exactly this name; required where `list` may leave some out. */
  named?(name: string, signal: AbortSignal): Promise<readonly Z[]>;
  /** Of zones that share a name, those to choose from, e.g. the public ones; all when absent. */
  usable?(zones: readonly Z[]): readonly Z[];
  /** The name servers that the provider gave to a zone: of several usable zones, the delegated one is taken. */
  nameserversOf?(zone: Z, signal: AbortSignal): readonly string[] | Promise<readonly string[]>;
  /** `example.com (Z123, private)`. */
  describe(zone: Z): string;
  /** Where the zones were looked for, e.g. ` in account x`. */
  where?(signal: AbortSignal): string | Promise<string>;
  /** Hint for a name without a zone. `unusable` are the zones that hold it and are not usable. */
  hintIfNone(unusable: readonly Z[], signal: AbortSignal): string | Promise<string>;
  /** Hint for a name with several zones. */
  readonly hintIfSeveral: string;
}
/** What it takes of a solver's context. */
interface Surroundings {
  readonly log: Log;
  /** The DNS's own answer, which tells zones of one name apart. */
  readonly findZone: (recordName: string) => Promise<Zone>;
}
/** No zone of the provider holds the name: when it is cleaned up, nothing is left. */
export declare class NoZone extends Problem {}
/**
 * Finds the longest zone that holds a name, with as few requests as possible: the first page is asked for once, and if
 * it is not the whole list, each suffix of the name once.
 */
export declare function zoneFinder<Z extends ListedZone>(
  source: ZoneSource<Z>,
  context: Surroundings,
): (recordName: string, signal: AbortSignal) => Promise<Z>;
/** `a.b.example.com`, `b.example.com`, `example.com`, `com`: the zones that could hold a name, in lower case. */
export declare function suffixesOf(name: string): readonly string[];
/** A record's name as some providers want it: relative to its zone, `@` for the zone itself. */
export declare function relativeName(recordName: string, zone: string): string;
/** A name in lower case, without the trailing dot. */
export declare function plainName(name: string): string;
export interface Twins<T> {
  readonly recordName: string;
  /** Several zones of one name. */
  readonly zones: readonly T[];
  /** The name servers that the provider gave to a zone. */
  readonly nameserversOf: (zone: T) => readonly string[] | Promise<readonly string[]>;
  readonly signal: AbortSignal;
}
/** Of zones with one name those whose name servers the parent names; all of them when that cannot be found out. */
export declare function delegatedOf<T>(
  { recordName, zones, nameserversOf, signal }: Twins<T>,
  {
    findZone,
    log,
  }: {
    findZone: (recordName: string) => Promise<Zone>;
    log: Log;
  },
): Promise<readonly T[]>;
export {};
