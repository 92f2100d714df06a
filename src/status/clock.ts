import type { CertificateRequest } from "../certificate.ts";
import { largestSkew, skewText } from "../skew.ts";
import { dateOf } from "../dates.ts";
import { type Ledger, noEntries } from "../state/ledger.ts";
import type { Store } from "../state/store.ts";

/** A CA whose clock differed much from ours when it was asked last. */
export interface ClockDifference {
  readonly directory: string;
  readonly at: string;
  /** How far the CA's clock was ahead of ours. */
  readonly seconds: number;
}

/** Of the CAs of these requests; the ones that agree with our clock are left out. */
export async function clockDifferences(
  requests: readonly CertificateRequest[],
  store: Pick<Store, "ledger">,
  now: Date,
): Promise<readonly ClockDifference[]> {
  const read = clockReader(store, now);
  const found = new Set<ClockDifference>();
  for (const request of requests) for (const one of await read(request)) found.add(one);
  return [...found];
}

/** The same of one request after the other: of each CA, its ledger is read once. */
export function clockReader({ ledger }: Pick<Store, "ledger">, now: Date) {
  const known = new Map<string, Promise<readonly ClockDifference[]>>();
  const read = async (directory: string) => {
    const { clock } = await ledger.read(directory, noEntries);
    if (clock === undefined || wasSet(clock, now)) return [];
    return [{ directory, at: clock.at, seconds: Math.round(clock.skew / 1000) }];
  };
  return async ({ issuer, issuers = [issuer] }: CertificateRequest) => {
    const found = issuers.map(({ server }) => {
      const one = known.get(server) ?? read(server);
      known.set(server, one);
      return one;
    });
    return (await Promise.all(found)).flat();
  };
}

const day = 86_400_000;

/**
 * True if ours was set since, or the time cannot be read. One that is still ahead shows a later time, and one that is days behind
 * an earlier one, since the CA is asked every day. `at` is the CA's time.
 */
function wasSet({ at, skew }: NonNullable<Ledger["clock"]>, now: Date): boolean {
  const since = now.getTime() - Date.parse(at);
  if (skew < 0) return !(since >= -skew - largestSkew);
  return Number.isNaN(since) || (skew > 2 * day && since >= 0);
}

export function differenceText({ directory, at, seconds }: ClockDifference): string {
  return `At ${dateOf(at)} ${skewText(seconds * 1000, directory, "was")}: set it, and check its time synchronization.`;
}
