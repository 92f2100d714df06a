/** Solvers for providers that keep all values of a name in one set: it is written only if it is still as it was read. */
import type { Call, CleanupItem, Dns01Challenge, Log, RecordType, Solver } from "../plugin.ts";
import { isAbsent, readReceipt, zoneSteps } from "./provider.ts";
import type { Provider, ZoneReceipt } from "./provider.ts";
import { Refusal } from "./refusal.ts";
import { compareAndSwap, inTurns } from "./swap.ts";
import type { ListedZone, ProviderZone, ZoneContext } from "./zones.ts";

/** Values to be there, and values to be gone, at one name. */
export interface Edit {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** By record name. */
export type Edits = ReadonlyMap<string, Edit>;

export interface ReadCall extends Call {
  readonly type: RecordType;
}

export interface WriteCall extends ReadCall {
  /** To be called with the id of each change made, for `isDone`. */
  readonly changed: (names: Iterable<string>, changeId: string) => void;
}

/** How a provider tells whether a change is live. */
interface Changes {
  /** Is the change live on all name servers? Where that may not be asked, only the DNS is. */
  isDone?(zone: ProviderZone, changeId: string, signal: AbortSignal): Promise<boolean>;
  /** What to grant so that it may be asked, e.g. `dns.changes.get`. */
  readonly donePermission?: string;
}

export interface RecordSetReceipt extends ZoneReceipt {
  /** Absent when the value was there already. */
  readonly changeId?: string;
}

/** `State` is what was read of some names: whatever the provider's condition needs. */
export interface RecordSetProvider<State, Z extends ListedZone = ListedZone>
  extends Provider<Z>, Changes {
  /** What one write changes: all names of a zone at once, or one name. */
  readonly unit: "zone" | "name";
  read(zone: ProviderZone, names: readonly string[], call: ReadCall): Promise<State>;
  /** Makes the edits true on condition that all is still as in `state`; leaves other values and the TTL as they are. */
  write(zone: ProviderZone, edits: Edits, state: State, call: WriteCall): Promise<void>;
  /** Was the write refused since others came first? `before` is the state of the attempt before this one. */
  isConflict(refusal: Refusal, state: State, before: State | undefined): boolean;
  /** Milliseconds between two attempts, at most; 1,000 when absent. */
  readonly longestPause?: number;
}

/** How many names are written at once where each takes a write of its own. */
const lanes = 4;

/** A dns-01 solver that adds values to record sets and takes them out again. */
export function recordSetSolver<State, Z extends ListedZone>(
  provider: RecordSetProvider<State, Z>,
  context: ZoneContext,
): Solver<"dns-01", RecordSetReceipt> {
  const { log } = context;
  const steps = zoneSteps(provider, context);
  const edit = editor(provider, steps.show, log);
  const editAll = (places: readonly Place[], what: keyof Edit, call: Call) =>
    inLanes(unitsOf(places, what, provider.unit), provider.unit === "zone" ? 1 : lanes, (unit) =>
      edit(unit, call),
    );
  const presentAll = async (challenges: readonly Dns01Challenge[], call: Call) => {
    const places: Place[] = [];
    for (const challenge of challenges)
      places.push({ challenge, zone: await steps.zoneOf(challenge.recordName, call) });
    const changes = new Map((await editAll(places, "add", call)).flat());
    return places.map(({ challenge, zone }) =>
      receiptOf(zone, changes.get(keyOf(zone, challenge.recordName))),
    );
  };
  const cleanupAll = async (
    items: readonly CleanupItem<"dns-01", RecordSetReceipt>[],
    call: Call,
  ) => {
    const places: Place[] = [];
    for (const { challenge, receipt } of items) {
      const known = readReceipt(receipt, "zoneId");
      const zone = await steps.zoneLeft(challenge.recordName, known, call);
      if (zone !== undefined) places.push({ challenge, zone });
    }
    await editAll(places, "remove", call);
  };
  return {
    preflight: steps.preflight,
    present: async (challenge, call) => first(await presentAll([challenge], call)),
    cleanup: (challenge, receipt, call) => cleanupAll([{ challenge, receipt }], call),
    presentAll,
    cleanupAll,
    ...(provider.isDone === undefined ? {} : { checkPropagation: doneChecker(provider, log) }),
  };
}

/** The sets of some names: one request for a small zone with several names in question, else one for each name. */
export async function readSets<S>(
  names: readonly string[],
  read: (
    name: string | undefined,
  ) => Promise<{ readonly sets: readonly S[]; readonly all: boolean }>,
): Promise<readonly S[]> {
  if (names.length > 2) {
    const { sets, all } = await read(undefined);
    if (all) return sets;
  }
  const found: S[] = [];
  for (const name of names) found.push(...(await read(name)).sets);
  return found;
}

/**
 * The values of a set after an edit, foreign ones in their place; nothing if it is so already. Two values of which `alike` makes
 * the same text are one: the digits of a TLSA record, for example, may be written in capitals.
 */
export function edited(
  held: readonly string[],
  { add, remove }: Edit,
  write: (value: string) => string = (value) => value,
  alike: (value: string) => string = (value) => value,
): readonly string[] | undefined {
  const gone = new Set(remove.map(write).map(alike));
  const there = new Set(held.map(alike));
  const kept = held.filter((value) => !gone.has(alike(value)));
  const missing = [...new Set(add.map(write))].filter((value) => !there.has(alike(value)));
  return kept.length === held.length && missing.length === 0 ? undefined : [...kept, ...missing];
}

/** RFC 6698 §2.2: hexadecimal digits in either case, which white space may divide. */
export function bareTlsa(value: string): string {
  const [usage, selector, matching, ...digits] = value.trim().toLowerCase().split(/\s+/);
  return [usage, selector, matching, digits.join("")].join(" ");
}

interface Place {
  readonly challenge: Dns01Challenge;
  readonly zone: ProviderZone;
}

/** What is written at once. */
interface Unit {
  readonly key: string;
  readonly zone: ProviderZone;
  readonly type: RecordType;
  readonly edits: Edits;
}

function unitsOf(
  places: readonly Place[],
  what: keyof Edit,
  unit: "zone" | "name",
): readonly Unit[] {
  const groups = Map.groupBy(places, ({ zone, challenge }) => {
    const { recordType = "", recordName } = challenge;
    return `${recordType} ${unit === "zone" ? zone.id : keyOf(zone, recordName)}`;
  });
  return Array.from(groups, ([key, members]) => {
    const names = Map.groupBy(members, ({ challenge }) => challenge.recordName);
    const edits = Array.from(names, ([name, group]) => {
      const values = [...new Set(group.map(({ challenge }) => challenge.recordValue))];
      return [name, { add: [], remove: [], [what]: values }] as const;
    });
    const { zone, challenge } = first(members);
    return { key, zone, type: challenge.recordType ?? "TXT", edits: new Map(edits) };
  });
}

type Writer<State> = Pick<
  RecordSetProvider<State>,
  "explain" | "longestPause" | "read" | "write" | "isConflict"
>;

/** Writes of this run go one after the other; those of other runs are met by compare-and-swap. */
function editor<State>(
  provider: Writer<State>,
  show: (zone: ProviderZone) => string,
  log: Log,
): (unit: Unit, call: Call) => Promise<readonly (readonly [string, string])[]> {
  const inTurn = inTurns();
  const { explain, longestPause } = provider;
  return ({ key, zone, type, edits }, { signal }) => {
    const changes: (readonly [string, string])[] = [];
    const changed = (names: Iterable<string>, id: string) => {
      for (const name of names) changes.push([keyOf(zone, name), id]);
    };
    const names = [...edits.keys()];
    const doing = `change the ${type} records of ${listed(names)} in ${show(zone)}`;
    const swap = () =>
      compareAndSwap({
        read: () => provider.read(zone, names, { type, signal }),
        write: (state) => provider.write(zone, edits, state, { type, signal, changed }),
        isConflict: (error, state, before) =>
          error instanceof Refusal && provider.isConflict(error, state, before),
        what: `the ${type} records of ${listed(names)}`,
        log,
        signal,
        longestPause,
      });
    return inTurn(key, () =>
      explain(doing, signal, async () => {
        try {
          await swap();
        } catch (error) {
          const adds = [...edits.values()].some(({ add }) => add.length > 0);
          if (adds || !isAbsent(error)) throw error;
          log.warn(`${show(zone)} is gone, and its records with it`);
        }
        return changes;
      }),
    );
  };
}

/** A few at a time; all of those that began have ended when it rejects. */
async function inLanes<T, R>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const done: R[] = [];
  for (let from = 0; from < items.length; from += lanes) {
    const results = await Promise.allSettled(items.slice(from, from + lanes).map(work));
    for (const result of results)
      if (result.status === "rejected") throw result.reason;
      else done.push(result.value);
  }
  return done;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more names` : shown;
}

function keyOf(zone: ProviderZone, recordName: string): string {
  return `${zone.id} ${recordName}`;
}

function receiptOf(
  { id: zoneId, name: zoneName }: ProviderZone,
  changeId: string | undefined,
): RecordSetReceipt {
  return {
    zoneId,
    ...(zoneName === undefined ? {} : { zoneName }),
    ...(changeId === undefined ? {} : { changeId }),
  };
}

function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new RangeError("nothing was asked for");
  return item;
}

/** Milliseconds. */
const freshFor = 1_000;

/** All names of a change share it: it is asked for once a second at most, and never again once it is done. */
function doneChecker(provider: Changes & Pick<Provider, "explain">, log: Log) {
  const { explain, donePermission } = provider;
  let denied = false;
  const ask = async (zone: ProviderZone, changeId: string, signal: AbortSignal) => {
    if (denied) return true;
    try {
      return (await provider.isDone?.(zone, changeId, signal)) ?? true;
    } catch (error) {
      if (isAbsent(error)) return true;
      if (!(error instanceof Refusal) || error.status !== 403) throw error;
      denied = true;
      log.warn(
        `not allowed to ask whether a change is done (${donePermission}); asking only the DNS`,
      );
      return true;
    }
  };
  const known = new Map<string, { until: number; done: Promise<boolean> }>();
  return async (_challenge: Dns01Challenge, receipt: RecordSetReceipt, { signal }: Call) => {
    const { zoneId: id, zoneName: name, changeId } = receipt;
    if (changeId === undefined) return true;
    const key = `${id} ${changeId}`;
    const last = known.get(key);
    if (last !== undefined && performance.now() < last.until) return last.done;
    const doing = `ask for the state of change ${changeId}`;
    const done = explain(doing, signal, () => ask({ id, name }, changeId, signal));
    const entry = { until: Number.POSITIVE_INFINITY, done };
    known.set(key, entry);
    try {
      if (!(await done)) entry.until = performance.now() + freshFor;
      return await done;
    } catch (error) {
      known.delete(key);
      throw error;
    }
  };
}
