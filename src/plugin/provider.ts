/** What solvers for providers' APIs have in common: they find zones, check before an order, and clean up what is left. */
import type { Call, Log, Target } from "../plugin.ts";
import { isRecord } from "../json.ts";
import type { Explain } from "./refusal.ts";
import { Refusal } from "./refusal.ts";
import { NoZone, suffixesOf } from "./zones.ts";
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
  /** What to do when a configured zone does not hold the name. */
  readonly hintIfOutside?: string | undefined;
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

export function zoneSteps(provider: Provider): ZoneSteps {
  const { log, explain, explainZones = explain, zoneWord } = provider;
  const show = (zone: ProviderZone) =>
    `${zoneWord} ${provider.showZone?.(zone) ?? nameAndId(zone)}`;
  const requireInside = (recordName: string, zone: ProviderZone) => {
    if (zone.name === undefined || suffixesOf(recordName).includes(zone.name)) return;
    throw new NoZone("config", {
      title: `The ${zoneWord} does not hold the name`,
      detail: `${provider.vendor}: ${recordName} is not in the configured ${show(zone)}`,
      hint: provider.hintIfOutside,
    });
  };
  const zoneOf = async (recordName: string, { signal }: Call) => {
    const doing = `find the ${zoneWord} of ${recordName}`;
    const zone = await explainZones(doing, signal, () => provider.findZone(recordName, signal));
    requireInside(recordName, zone);
    return zone;
  };
  return {
    show,
    zoneOf,
    async zoneLeft(recordName, receipt, call) {
      if (receipt !== undefined) return { id: receipt.zoneId, name: receipt.zoneName };
      try {
        return await zoneOf(recordName, call);
      } catch (error) {
        if (!(error instanceof NoZone)) throw error;
        log.warn(`nothing to clean up: ${error.message}`);
        return undefined;
      }
    },
    /** Proves the credentials, every zone, and the right to read each; writing cannot be tried without writing. */
    async preflight(targets, call) {
      const { signal } = call;
      await provider.checkCredentials?.(signal);
      const names = new Map<string, string | undefined>();
      for (const { recordName } of targets) {
        if (recordName === undefined) continue;
        const zone = await zoneOf(recordName, call);
        if (!names.has(zone.id)) {
          const doing = `read the TXT records of ${recordName} in ${show(zone)}`;
          const read = () => provider.check(zone, recordName, signal);
          names.set(zone.id, await explain(doing, signal, read));
        }
        requireInside(recordName, { ...zone, name: zone.name ?? names.get(zone.id) });
      }
    },
  };
}

/** `example.com (Z123)`, or what is known of it. */
function nameAndId({ id, name }: ProviderZone): string {
  return name === undefined || name === id ? id : `${name} (${id})`;
}

/** Nothing is there (any more). */
export function isAbsent(error: unknown): boolean {
  return error instanceof Refusal && error.status === 404;
}

/** A receipt with these texts; anything else, as older versions wrote it, is as good as none. */
export function readReceipt<R extends ZoneReceipt>(
  receipt: R | undefined,
  ...texts: readonly (keyof R & string)[]
): R | undefined {
  const known: unknown = receipt;
  const isOurs = isRecord(known) && texts.every((name) => typeof known[name] === "string");
  return isOurs ? receipt : undefined;
}
