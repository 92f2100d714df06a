/** Solvers for providers where every value is a record of its own, so that other records are never touched. */
import type { Call, CleanupItem, Dns01Challenge, Log, RecordType, Solver } from "../plugin.ts";
import { isAbsent, readReceipt, zoneSteps } from "./provider.ts";
import type { Provider, Repeat, ZoneReceipt, ZoneSteps } from "./provider.ts";
import { Refusal } from "./refusal.ts";
import { repeatRefused } from "./request.ts";
import type { ListedZone, ProviderZone, ZoneContext } from "./zones.ts";

/** A record by its full name, without the trailing dot, and its value without quotes. */
export interface TypedRecord {
  readonly type: RecordType;
  readonly name: string;
  readonly value: string;
}

/** Every call is made once and rejects with a `Refusal`: what can pass is repeated here, finding zones and `check` included. */
export interface RecordProvider<Z extends ListedZone = ListedZone> extends Omit<
  Provider<Z>,
  "check"
> {
  /** As in `Provider`; `find` when absent. */
  readonly check?: Provider["check"];
  /** The ids of all records with this name and value, on whatever page. */
  find(zone: ProviderZone, record: TypedRecord, signal: AbortSignal): Promise<readonly string[]>;
  /** The id of the new record. */
  create(zone: ProviderZone, record: TypedRecord, signal: AbortSignal): Promise<string>;
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
    records: readonly TypedRecord[],
    signal: AbortSignal,
  ): Promise<readonly (string | undefined)[]>;
  remove(zone: ProviderZone, recordIds: readonly string[], signal: AbortSignal): Promise<unknown>;
}

export interface RecordReceipt extends ZoneReceipt {
  readonly recordId: string;
}

type Item = CleanupItem<"dns-01", RecordReceipt>;

/** What the steps below use of a provider. */
type Writer = Pick<
  RecordProvider,
  "explain" | "find" | "create" | "remove" | "isDouble" | "isGone"
> & { readonly log: Log; readonly steps: ZoneSteps; readonly repeat: Repeat };

/** A dns-01 solver that keeps each value in a record of its own. */
export function recordSolver<Z extends ListedZone>(
  provider: RecordProvider<Z>,
  context: ZoneContext,
): Solver<"dns-01", RecordReceipt> {
  const { log } = context;
  const vendor = { name: provider.vendor };
  const repeat: Repeat = (work, signal) => repeatRefused(work, { vendor, log, signal, retries: 4 });
  const check: Provider["check"] = async (zone, name, signal) => {
    await provider.find(zone, { type: "TXT", name, value: "" }, signal);
    return zone.name;
  };
  const steps = zoneSteps({ check, ...provider }, context, repeat);
  const writer = { ...provider, log, steps, repeat };
  const single = singles(writer);
  return {
    preflight: steps.preflight,
    present: async (challenge, call) =>
      single.present(await steps.zoneOf(challenge.recordName, call), challenge, call),
    async cleanup(challenge, given, call) {
      const receipt = readReceipt(given, "zoneId", "recordId");
      const zone = await steps.zoneLeft(challenge.recordName, receipt, call);
      if (zone !== undefined) await single.cleanup(zone, { challenge, receipt }, call);
    },
    ...(provider.batch === undefined ? {} : batches(writer, provider.batch, single)),
  };
}

function singles(writer: Writer) {
  const { explain, log, repeat, steps } = writer;
  const createOnce = async (zone: ProviderZone, record: TypedRecord, signal: AbortSignal) => {
    const findOne = async () => (await writer.find(zone, record, signal))[0];
    // A provider that accepts doubles: the answer that got lost may have left the record behind.
    if (writer.isDouble === undefined)
      return (await findOne()) ?? (await writer.create(zone, record, signal));
    try {
      return await writer.create(zone, record, signal);
    } catch (error) {
      const isThere = error instanceof Refusal && writer.isDouble(error);
      const id = isThere ? await findOne() : undefined;
      if (id === undefined) throw error;
      return id;
    }
  };
  const unlessGone = async <T>(work: () => Promise<T>, signal: AbortSignal) => {
    try {
      return await repeat(work, signal);
    } catch (error) {
      const isGone = isAbsent(error) || (error instanceof Refusal && writer.isGone?.(error));
      if (!isGone) throw error;
      log.debug(`gone already: ${String(error)}`);
      return undefined;
    }
  };
  return {
    async present(zone: ProviderZone, challenge: Dns01Challenge, { signal }: Call) {
      const record = recordOf(challenge);
      const doing = `create the ${record.type} record ${record.name} in ${steps.show(zone)}`;
      const create = () => repeat(() => createOnce(zone, record, signal), signal);
      return receiptOf(zone, await explain(doing, signal, create));
    },
    async cleanup(zone: ProviderZone, { challenge, receipt }: Item, { signal }: Call) {
      const record = recordOf(challenge);
      const doing = `delete the ${record.type} record ${record.name} in ${steps.show(zone)}`;
      await explain(doing, signal, async () => {
        const ids =
          receipt === undefined
            ? await unlessGone(() => writer.find(zone, record, signal), signal)
            : [receipt.recordId];
        for (const id of ids ?? []) await unlessGone(() => writer.remove(zone, id, signal), signal);
      });
    },
  };
}

/** A batch is done whole or not at all, so what it cannot do is done one by one, where each failure has its own name. */
function batches(
  writer: Writer,
  batch: Batch,
  single: ReturnType<typeof singles>,
): Required<Pick<Solver<"dns-01", RecordReceipt>, "presentAll" | "cleanupAll">> {
  const { steps } = writer;
  return {
    async presentAll(challenges, call) {
      const receipts = new Map<Dns01Challenge, RecordReceipt>();
      const places = await inZones(challenges, ({ recordName }) => steps.zoneOf(recordName, call));
      for (const { zone, items } of places) {
        const doing = `create ${items.length} records in ${steps.show(zone)}, the first ${items[0]?.recordName}`;
        const create = (some: readonly Dns01Challenge[]) =>
          batch.create(zone, some.map(recordOf), call.signal);
        const made = await inBatches(writer, doing, chunks(items, batch.most), create, call);
        const ids = made?.flat() ?? [];
        for (const [index, challenge] of items.entries()) {
          const id = ids[index];
          const receipt = id === undefined ? undefined : receiptOf(zone, id);
          receipts.set(challenge, receipt ?? (await single.present(zone, challenge, call)));
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
        const doing = `delete ${ids.length} records in ${steps.show(zone)}`;
        const remove = (some: readonly string[]) => batch.remove(zone, some, call.signal);
        const isWhole = ids.length === items.length;
        if (isWhole && (await inBatches(writer, doing, chunks(ids, batch.most), remove, call)))
          continue;
        for (const item of items) await single.cleanup(zone, item, call);
      }
    },
  };
}

/** The results by batch, or nothing if one was refused. */
async function inBatches<T, R>(
  { explain, log, repeat }: Writer,
  doing: string,
  all: readonly (readonly T[])[],
  work: (some: readonly T[]) => Promise<R>,
  { signal }: Call,
): Promise<readonly R[] | undefined> {
  try {
    return await explain(doing, signal, async () => {
      const results: R[] = [];
      for (const some of all)
        results.push(await repeat(() => work(some), signal).catch(unlessRefused));
      return results;
    });
  } catch (error) {
    if (!(error instanceof RefusedBatch)) throw error;
    log.debug(`no batch (${error.message}); going one by one`);
    return undefined;
  }
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

function recordOf({ recordName: name, recordValue: value, recordType }: Dns01Challenge) {
  return { type: recordType ?? "TXT", name, value } as const;
}

function receiptOf({ id: zoneId, name: zoneName }: ProviderZone, recordId: string): RecordReceipt {
  return { zoneId, ...(zoneName === undefined ? {} : { zoneName }), recordId };
}
