/** Which of a provider's zones holds a name. */
import type { SolverContext } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { onceEach } from "./keep.ts";

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

/** For messages. */
export interface ZoneWords {
  /** The provider, e.g. `Route 53`. */
  readonly vendor: string;
  /** What it calls a zone, e.g. `hosted zone`. */
  readonly zoneWord: string;
}

/** How a provider lists its zones, and what to say when the list does not help. */
export interface ZoneSource<Z extends ListedZone> {
  /** The first page. `all` is false if there are more zones. */
  list(signal: AbortSignal): Promise<{ readonly zones: readonly Z[]; readonly all: boolean }>;
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
  hintIfNone(
    recordName: string,
    unusable: readonly Z[],
    signal: AbortSignal,
  ): string | Promise<string>;
  /** Hint for a name with several zones. */
  readonly hintIfSeveral: string;
}

/** `findZone` is the DNS's own answer, which tells zones of one name apart. */
export type ZoneContext = Pick<SolverContext, "log" | "findZone">;

type Source<Z extends ListedZone> = ZoneWords & ZoneSource<Z>;

/** No zone of the provider holds the name: when it is cleaned up, nothing is left. */
export class NoZone extends Problem {}

/**
 * Finds the longest zone that holds a name, with as few requests as possible: the first page is asked for once, and if
 * it is not the whole list, each suffix of the name once.
 */
export function zoneFinder<Z extends ListedZone>(
  source: Source<Z>,
  context: ZoneContext,
): (recordName: string, signal: AbortSignal) => Promise<Z> {
  const firstPage = onceEach<{ readonly zones: readonly Z[]; readonly all: boolean }>();
  const byName = onceEach<readonly Z[]>();
  return async (recordName, signal) => {
    const page = await firstPage("", () => source.list(signal));
    const isWhole = page.all || source.named === undefined;
    const named = async (name: string) => (await source.named?.(name, signal)) ?? [];
    for (const suffix of suffixesOf(recordName)) {
      const listed = isWhole ? page.zones : await byName(suffix, () => named(suffix));
      const matches = listed.filter(({ name }) => name === suffix);
      const usable = source.usable?.(matches) ?? matches;
      if (usable.length > 0) return choose(source, context, recordName, usable, signal);
      for (const zone of matches) context.log.debug(`passing over ${source.describe(zone)}`);
    }
    throw await noZone(source, recordName, page, signal);
  };
}

/** Of several zones of one name the one that is delegated. */
async function choose<Z extends ListedZone>(
  source: Source<Z>,
  { log, findZone }: ZoneContext,
  recordName: string,
  usable: readonly Z[],
  signal: AbortSignal,
): Promise<Z> {
  const canCompare = usable.length > 1 && source.nameserversOf !== undefined;
  const nameserversOf = (zone: Z) => source.nameserversOf?.(zone, signal) ?? [];
  const [zone, ...others] = canCompare
    ? await delegatedOf({ recordName, zones: usable, nameserversOf, signal }, { findZone, log })
    : usable;
  if (zone !== undefined && others.length === 0) return zone;
  const { vendor, zoneWord } = source;
  const shown = usable.map((one) => source.describe(one)).join(", ");
  throw new Problem("config", {
    title: `Several ${zoneWord}s could hold the name`,
    detail: `${vendor}: ${usable.length} ${zoneWord}s could hold ${recordName}: ${shown}`,
    hint: source.hintIfSeveral,
  });
}

async function noZone<Z extends ListedZone>(
  source: Source<Z>,
  recordName: string,
  { zones, all }: { readonly zones: readonly Z[]; readonly all: boolean },
  signal: AbortSignal,
): Promise<NoZone> {
  const shown = zones.slice(0, 20).map((zone) => source.describe(zone));
  const more = zones.length > 20 || !all ? ", and others" : "";
  const seen = shown.length === 0 ? `no ${source.zoneWord} at all` : shown.join(", ") + more;
  const where = (await source.where?.(signal)) ?? "";
  const unusable = zones.filter(({ name }) => suffixesOf(recordName).includes(name));
  return new NoZone("config", {
    title: `No ${source.zoneWord} holds the name`,
    detail: `${source.vendor}: no usable ${source.zoneWord} holds ${recordName}. These credentials see ${seen}${where}.`,
    hint: await source.hintIfNone(recordName, unusable, signal),
  });
}

/** `a.b.example.com`, `b.example.com`, `example.com`, `com`: the zones that could hold a name, in lower case. */
export function suffixesOf(name: string): readonly string[] {
  const labels = name.toLowerCase().split(".");
  return labels.map((_, index) => labels.slice(index).join("."));
}

/** A record's name as some providers want it: relative to its zone, `@` for the zone itself. */
export function relativeName(recordName: string, zone: string): string {
  return recordName.toLowerCase() === zone ? "@" : recordName.slice(0, -zone.length - 1);
}

/** A name in lower case, without the trailing dot. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

export interface Twins<T> {
  readonly recordName: string;
  /** Several zones of one name. */
  readonly zones: readonly T[];
  /** The name servers that the provider gave to a zone. */
  readonly nameserversOf: (zone: T) => readonly string[] | Promise<readonly string[]>;
  readonly signal: AbortSignal;
}

/** Of zones with one name those whose name servers the parent names; all of them when that cannot be found out. */
export async function delegatedOf<T>(
  { recordName, zones, nameserversOf, signal }: Twins<T>,
  { findZone, log }: ZoneContext,
): Promise<readonly T[]> {
  try {
    const live = new Set((await findZone(recordName)).nameservers.map(plainName));
    const delegated: T[] = [];
    for (const zone of zones) {
      const own = await nameserversOf(zone);
      if (own.some((server) => live.has(plainName(server)))) delegated.push(zone);
    }
    return delegated;
  } catch (error) {
    signal.throwIfAborted();
    log.debug("cannot compare the zones with the delegation", { error: String(error) });
    return zones;
  }
}
