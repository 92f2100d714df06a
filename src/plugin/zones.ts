/** Which of a provider's zones holds a name. */
import type { Log, Zone } from "../plugin.ts";

/** `a.b.example.com`, `b.example.com`, `example.com`, `com`: the zones that could hold a name, in lower case. */
export function suffixesOf(name: string): readonly string[] {
  const labels = name.toLowerCase().split(".");
  return labels.map((_, index) => labels.slice(index).join("."));
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
  { findZone, log }: { findZone: (recordName: string) => Promise<Zone>; log: Log },
): Promise<readonly T[]> {
  try {
    const live = new Set((await findZone(recordName)).nameservers.map(bare));
    const delegated: T[] = [];
    for (const zone of zones) {
      const own = await nameserversOf(zone);
      if (own.some((server) => live.has(bare(server)))) delegated.push(zone);
    }
    return delegated;
  } catch (error) {
    signal.throwIfAborted();
    log.debug("cannot compare the zones with the delegation", { error: String(error) });
    return zones;
  }
}

function bare(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
