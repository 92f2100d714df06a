/** What solvers for providers' APIs have in common: they find zones, check before an order, and clean up what is left. */
import type { Call, Target } from "../plugin.ts";
import { isRecord } from "../json.ts";
import type { Explain } from "./refusal.ts";
import { Refusal } from "./refusal.ts";
import { NoZone, suffixesOf, zoneFinder } from "./zones.ts";
import type { ListedZone, ProviderZone, ZoneContext, ZoneSource, ZoneWords } from "./zones.ts";

/** A provider, as these credentials see it. */
export interface Provider<Z extends ListedZone = ListedZone> extends ZoneWords {
  /** See `explainRefusals`. */
  readonly explain: Explain;
  /** The same for finding zones, if other credentials are used there. */
  readonly explainZones?: Explain | undefined;
  /** Where the zone of a name is looked for. */
  readonly zones: ZoneSource<Z>;
  /** The zone that was configured, so that none has to be looked for. */
  readonly zone?:
    | ProviderZone
    | ((recordName: string, signal: AbortSignal) => Promise<ProviderZone | undefined>)
    | undefined;
  /** Reads the records at a name, and gives the name of a zone of which only the id is known, where it can be read. */
  check(zone: ProviderZone, recordName: string, signal: AbortSignal): Promise<string | undefined>;
  /** What can be checked of the credentials alone. */
  checkCredentials?(signal: AbortSignal): Promise<void>;
  /** A zone in messages; `example.com (Z123)` when absent. */
  readonly showZone?: (zone: ProviderZone) => string;
  /** What to do when a configured zone does not hold the name. */
  readonly hintIfOutside?: string | undefined;
}

/** A receipt says at least in which zone the record is. */
export interface ZoneReceipt {
  readonly zoneId: string;
  readonly zoneName?: string | undefined;
}

export type Repeat = <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;

export type ZoneSteps = ReturnType<typeof zoneSteps>;

/** The steps that need no more than a provider's zones. `repeat` tries a failed step again; once when absent. */
export function zoneSteps<Z extends ListedZone>(
  provider: Provider<Z>,
  context: ZoneContext,
  repeat: Repeat = (work) => work(),
) {
  const { explain, explainZones = explain } = provider;
  const findZone = finderOf(provider, context);
  const show = (zone: ProviderZone) => shown(provider, zone);
  const zoneOf = async (recordName: string, { signal }: Call) => {
    const doing = `find the ${provider.zoneWord} of ${recordName}`;
    const zone = await explainZones(doing, signal, () =>
      repeat(() => findZone(recordName, signal), signal),
    );
    requireInside(provider, recordName, zone);
    return zone;
  };
  return {
    show,
    zoneOf,
    /** The zone of a record to be removed; nothing if there is none, for then its records are gone too. */
    async zoneLeft(
      recordName: string,
      receipt: ZoneReceipt | undefined,
      call: Call,
    ): Promise<ProviderZone | undefined> {
      if (receipt !== undefined) return { id: receipt.zoneId, name: receipt.zoneName };
      try {
        return await zoneOf(recordName, call);
      } catch (error) {
        if (!(error instanceof NoZone)) throw error;
        context.log.warn(`nothing to clean up: ${error.message}`);
        return undefined;
      }
    },
    /** Proves the credentials, every zone, and the right to read each; writing cannot be tried without writing. */
    preflight: async (targets: readonly Target[], call: Call) => {
      const { signal } = call;
      await provider.checkCredentials?.(signal);
      const names = new Map<string, string | undefined>();
      for (const { recordName } of targets) {
        if (recordName === undefined) continue;
        const zone = await zoneOf(recordName, call);
        if (!names.has(zone.id)) {
          const doing = `read the TXT records of ${recordName} in ${show(zone)}`;
          const read = () => repeat(() => provider.check(zone, recordName, signal), signal);
          names.set(zone.id, await explain(doing, signal, read));
        }
        requireInside(provider, recordName, { ...zone, name: zone.name ?? names.get(zone.id) });
      }
    },
  };
}

function finderOf<Z extends ListedZone>(provider: Provider<Z>, context: ZoneContext) {
  const look = zoneFinder({ ...provider, ...provider.zones }, context);
  return async (recordName: string, signal: AbortSignal): Promise<ProviderZone> => {
    const { zone } = provider;
    const configured = typeof zone === "function" ? await zone(recordName, signal) : zone;
    return configured ?? look(recordName, signal);
  };
}

type Named = Pick<Provider, "vendor" | "zoneWord" | "showZone" | "hintIfOutside">;

function requireInside(provider: Named, recordName: string, zone: ProviderZone): void {
  if (zone.name === undefined || suffixesOf(recordName).includes(zone.name)) return;
  throw new NoZone("config", {
    title: `The ${provider.zoneWord} does not hold the name`,
    detail: `${provider.vendor}: ${recordName} is not in the configured ${shown(provider, zone)}`,
    hint: provider.hintIfOutside,
  });
}

/** `hosted zone example.com (Z123)`, or what is known of it. */
function shown({ zoneWord, showZone }: Named, zone: ProviderZone): string {
  const { id, name } = zone;
  const text = name === undefined || name === id ? id : `${name} (${id})`;
  return `${zoneWord} ${showZone?.(zone) ?? text}`;
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
