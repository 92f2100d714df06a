/** Solvers for providers where every value is a record of its own, so that other records are never touched. */
import type { Call, CleanupItem, Dns01Challenge, Solver } from "../plugin.ts";
import { isAbsent, readReceipt, zoneSteps } from "./provider.ts";
import type { Provider, ZoneReceipt, ZoneSteps } from "./provider.ts";
import { Refusal } from "./refusal.ts";
import { repeatRefused } from "./request.ts";
import type { ProviderZone } from "./zones.ts";

/** A TXT record by its full name, without the trailing dot, and its value without quotes. */
export interface TxtRecord {
  readonly name: string;
  readonly value: string;
}

/** Every call is made once and rejects with a `Refusal`: what can pass is repeated here, `findZone` and `check` included. */
export interface RecordProvider extends Omit<Provider, "check"> {
  /** As in `Provider`; `find` when absent. */
  readonly check?: Provider["check"];
  /** The ids of all records with this name and value, on whatever page. */
  find(zone: ProviderZone, record: TxtRecord, signal: AbortSignal): Promise<readonly string[]>;
  /** The id of the new record. */
  create(zone: ProviderZone, record: TxtRecord, signal: AbortSignal): Promise<string>;
  remove(zone: ProviderZone, recordId: string, signal: AbortSignal): Promise<unknown>;
  /** Where the provider refuses a second record of one name and value: is this such a refusal? Else `find` goes first. */
  isDouble?(refusal: Refusal): boolean;
  /** Does the refusal of `remove` mean that the record is gone? Status 404 does anyhow. */
  isGone?(refusal: Refusal): boolean;
  /** Several records in one request, all or none; if it is refused, they are written one by one. */
  readonly batch?: Batch;
}

export interface Batch {
  /** How many records fit in one request. */
  readonly most: number;
  /** Ids in the order of the records, where the answer has them. */
  create(
    zone: ProviderZone,
    records: readonly TxtRecord[],
    signal: AbortSignal,
  ): Promise<readonly (string | undefined)[]>;
  remove(zone: ProviderZone, recordIds: readonly string[], signal: AbortSignal): Promise<unknown>;
}

export interface RecordReceipt extends ZoneReceipt {
  readonly recordId: string;
}

type Item = CleanupItem<"dns-01", RecordReceipt>;
type Repeat = <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;

/** A dns-01 solver that keeps each value in a record of its own. */
export function recordSolver(provider: RecordProvider): Solver<"dns-01", RecordReceipt> {
  const repeat: Repeat = (work, signal) =>
    repeatRefused(work, {
      vendor: { name: provider.vendor },
      log: provider.log,
      signal,
      retries: 4,
    });
  const check: Provider["check"] = async (zone, name, signal) => {
    if (provider.check !== undefined) return provider.check(zone, name, signal);
    await provider.find(zone, { name, value: "" }, signal);
    return zone.name;
  };
  const steps = zoneSteps({
    ...provider,
    findZone: (recordName, signal) => repeat(() => provider.findZone(recordName, signal), signal),
    check: (zone, recordName, signal) => repeat(() => check(zone, recordName, signal), signal),
  });
  const single = singles(provider, steps, repeat);
  return {
    preflight: steps.preflight,
    present: async (challenge, call) =>
      single.present(await steps.zoneOf(challenge.recordName, call), challenge, call),
    async cleanup(challenge, given, call) {
      const receipt = readReceipt(given, "zoneId", "recordId");
      const zone = await steps.zoneLeft(challenge.recordName, receipt, call);
      if (zone !== undefined) await single.cleanup(zone, { challenge, receipt }, call);
    },
    ...(provider.batch === undefined
      ? {}
      : batches(provider, provider.batch, steps, single, repeat)),
  };
}

function singles(provider: RecordProvider, { show }: ZoneSteps, repeat: Repeat) {
  const { explain, log } = provider;
  const createOnce = async (zone: ProviderZone, record: TxtRecord, signal: AbortSignal) => {
    const findOne = async () => (await provider.find(zone, record, signal))[0];
    // A provider that accepts doubles: the answer that got lost may have left the record behind.
    if (provider.isDouble === undefined)
      return (await findOne()) ?? (await provider.create(zone, record, signal));
    try {
      return await provider.create(zone, record, signal);
    } catch (error) {
      const isThere = error instanceof Refusal && provider.isDouble(error);
      const id = isThere ? await findOne() : undefined;
      if (id === undefined) throw error;
      return id;
    }
  };
  const unlessGone = async <T>(
    work: () => Promise<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> => {
    try {
      return await repeat(work, signal);
    } catch (error) {
      const isGone = isAbsent(error) || (error instanceof Refusal && provider.isGone?.(error));
      if (!isGone) throw error;
      log.debug(`gone already: ${String(error)}`);
      return undefined;
    }
  };
  return {
    async present(zone: ProviderZone, challenge: Dns01Challenge, { signal }: Call) {
      const record = recordOf(challenge);
      const doing = `create the TXT record ${record.name} in ${show(zone)}`;
      const create = () => repeat(() => createOnce(zone, record, signal), signal);
      return receiptOf(zone, await explain(doing, signal, create));
    },
    async cleanup(zone: ProviderZone, { challenge, receipt }: Item, { signal }: Call) {
      const record = recordOf(challenge);
      const doing = `delete the TXT record ${record.name} in ${show(zone)}`;
      await explain(doing, signal, async () => {
        const ids =
          receipt === undefined
            ? await unlessGone(() => provider.find(zone, record, signal), signal)
            : [receipt.recordId];
        for (const id of ids ?? [])
          await unlessGone(() => provider.remove(zone, id, signal), signal);
      });
    },
  };
}

/** A batch is done whole or not at all, so what it cannot do is done one by one, where each failure has its own name. */
function batches(
  provider: Pick<Provider, "explain" | "log">,
  batch: Batch,
  steps: ZoneSteps,
  single: ReturnType<typeof singles>,
  repeat: Repeat,
): Required<Pick<Solver<"dns-01", RecordReceipt>, "presentAll" | "cleanupAll">> {
  const { createAll, removeAll } = wholeBatches(provider, batch, steps, repeat);
  return {
    async presentAll(challenges, call) {
      const receipts = new Map<Dns01Challenge, RecordReceipt>();
      const places = await inZones(challenges, ({ recordName }) => steps.zoneOf(recordName, call));
      for (const { zone, items } of places) {
        const ids = await createAll(zone, items, call.signal);
        for (const [index, challenge] of items.entries()) {
          const id = ids[index];
          const made = id === undefined ? undefined : receiptOf(zone, id);
          receipts.set(challenge, made ?? (await single.present(zone, challenge, call)));
        }
      }
      return challenges.flatMap((challenge) => receipts.get(challenge) ?? []);
    },
    async cleanupAll(given, call) {
      const all = given.map(({ challenge, receipt }) => {
        return { challenge, receipt: readReceipt(receipt, "zoneId", "recordId") };
      });
      const zoneOf = ({ challenge, receipt }: Item) =>
        steps.zoneLeft(challenge.recordName, receipt, call);
      for (const { zone, items } of await inZones(all, zoneOf)) {
        const ids = items.flatMap(({ receipt }) => receipt?.recordId ?? []);
        const isWhole = ids.length === items.length;
        if (isWhole && (await removeAll(zone, ids, call.signal)) !== undefined) continue;
        for (const item of items) await single.cleanup(zone, item, call);
      }
    },
  };
}

function wholeBatches(
  { explain, log }: Pick<Provider, "explain" | "log">,
  batch: Batch,
  { show }: ZoneSteps,
  repeat: Repeat,
) {
  /** The results by batch, or nothing if one was refused. */
  const inBatches = async <T, R>(
    doing: string,
    items: readonly T[],
    work: (some: readonly T[]) => Promise<R>,
    signal: AbortSignal,
  ): Promise<readonly R[] | undefined> => {
    const all = async () => {
      const results: R[] = [];
      for (const some of chunks(items, batch.most))
        results.push(await repeat(() => work(some), signal).catch(unlessRefused));
      return results;
    };
    try {
      return await explain(doing, signal, all);
    } catch (error) {
      if (!(error instanceof RefusedBatch)) throw error;
      log.debug(`no batch (${error.message}); going one by one`);
      return undefined;
    }
  };
  return {
    createAll: async (
      zone: ProviderZone,
      items: readonly Dns01Challenge[],
      signal: AbortSignal,
    ) => {
      const doing = `create ${items.length} TXT records in ${show(zone)}, the first ${items[0]?.recordName}`;
      const create = (some: readonly Dns01Challenge[]) =>
        batch.create(zone, some.map(recordOf), signal);
      return (await inBatches(doing, items, create, signal))?.flat() ?? [];
    },
    removeAll: (zone: ProviderZone, ids: readonly string[], signal: AbortSignal) => {
      const doing = `delete ${ids.length} TXT records in ${show(zone)}`;
      return inBatches(doing, ids, (some) => batch.remove(zone, some, signal), signal);
    },
  };
}

/** The provider refused a batch for what is in it. */
class RefusedBatch extends Error {}

/** A record that is there, or gone, already makes the provider refuse the whole batch; so may a plan without batches. */
function unlessRefused(error: unknown): never {
  const { status = 0, throttled } = error instanceof Refusal ? error : { throttled: false };
  if (status >= 400 && status < 500 && !throttled) throw new RefusedBatch(String(error));
  throw error;
}

async function inZones<T>(
  items: readonly T[],
  zoneOf: (item: T) => Promise<ProviderZone | undefined>,
): Promise<readonly { zone: ProviderZone; items: readonly T[] }[]> {
  const groups = new Map<string, { zone: ProviderZone; items: T[] }>();
  for (const item of items) {
    const zone = await zoneOf(item);
    if (zone === undefined) continue;
    const group = groups.get(zone.id) ?? { zone, items: [] };
    group.items.push(item);
    groups.set(zone.id, group);
  }
  return [...groups.values()];
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

function recordOf({ recordName: name, recordValue: value }: Dns01Challenge): TxtRecord {
  return { name, value };
}

function receiptOf({ id: zoneId, name: zoneName }: ProviderZone, recordId: string): RecordReceipt {
  return { zoneId, ...(zoneName === undefined ? {} : { zoneName }), recordId };
}
