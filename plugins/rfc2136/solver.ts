/** Adding and deleting our own values, and nothing else, in as few messages as it takes. */
import { Problem } from "acmectl/plugin";
import type { Call, CleanupItem, Dns01Challenge, Log, Solver } from "acmectl/plugin";
import { endpointOf } from "./endpoint.ts";
import type { TxtChange } from "./message.ts";
import { placeOf } from "./place.ts";
import type { Place } from "./place.ts";
import { nameOfServer, openPrimary } from "./primary.ts";
import type { Primary, PrimarySettings } from "./primary.ts";
import { isAboutNames, isZoneGone, problemOf } from "./problems.ts";

/** What undoes a present. */
export interface Receipt {
  /** `HOST:PORT` of the primary that was written to. */
  readonly server: string;
  readonly zone: string;
  readonly name: string;
  readonly value: string;
}

export interface SolverSettings extends PrimarySettings {
  /** Fixed by the user; looked up at the server when absent. */
  readonly zone: string | undefined;
  /** Seconds. */
  readonly ttl: number;
  readonly log: Log;
}

/** Changes in one message: far below the 64 KB of TCP, and kind to servers. */
const mostChanges = 200;

/** A solver on one server with one key. Each call has a connection of its own. */
export function updatingSolver(settings: SolverSettings): Solver<"dns-01", Receipt> {
  const solver = {
    preflight: (targets: readonly { recordName?: string }[], call: Call) =>
      withPrimary(settings, call, (primary) => rehearse(primary, targets, settings)),
    presentAll: (challenges: readonly Dns01Challenge[], call: Call) =>
      withPrimary(settings, call, (primary) => publish(primary, challenges, settings)),
    async cleanupAll(items: readonly CleanupItem<"dns-01", Receipt>[], call: Call) {
      for (const [server, group] of byServer(items, settings))
        await withPrimary({ ...settings, ...endpointOf(server, undefined) }, call, (primary) =>
          withdraw(primary, group, settings),
        );
    },
  };
  return {
    ...solver,
    async present(challenge, call) {
      const [receipt] = await solver.presentAll([challenge], call);
      if (receipt === undefined) throw new Error("a present without a receipt");
      return receipt;
    },
    cleanup: (challenge, receipt, call) => solver.cleanupAll([{ challenge, receipt }], call),
  };
}

async function withPrimary<T>(
  settings: SolverSettings,
  { signal }: Call,
  work: (primary: Primary) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const primary = openPrimary(settings, signal);
  try {
    return await work(primary);
  } finally {
    primary.close();
  }
}

/** Delete what never was, at every name: the server checks key and permission, and changes nothing. */
async function rehearse(
  primary: Primary,
  targets: readonly { recordName?: string }[],
  settings: SolverSettings,
): Promise<void> {
  const names = unique(targets.flatMap(({ recordName }) => recordName ?? []));
  const places = await Promise.all(names.map((name) => placeOf(primary, name, settings)));
  const value = "acmectl deletes this value to see whether it may";
  for (const [zone, group] of byZone(places)) {
    for (const part of chunks(group)) {
      const changes = part.map(({ name }) => ({ kind: "delete", name, value, ttl: 0 }) as const);
      await apply(primary, zone, changes, settings);
    }
  }
}

async function publish(
  primary: Primary,
  challenges: readonly Dns01Challenge[],
  settings: SolverSettings,
): Promise<readonly Receipt[]> {
  const names = unique(challenges.map(({ recordName }) => recordName));
  const places = new Map<string, Place>();
  await Promise.all(
    names.map(async (name) => places.set(name, await placeOf(primary, name, settings))),
  );
  const wanted = challenges.map(({ recordName, recordValue }) => {
    const { zone = "", ttl, readable = false } = places.get(recordName) ?? {};
    const change = {
      kind: "add",
      name: recordName,
      value: recordValue,
      ttl: ttl ?? settings.ttl,
    } as const;
    return { zone, readable, change };
  });
  for (const [zone, group] of byZone(wanted)) {
    for (const changes of chunks(group.map(({ change }) => change))) {
      await apply(primary, zone, changes, settings);
    }
  }
  await readBack(primary, wanted, settings);
  const { name: server } = primary;
  return wanted.map(({ zone, change: { name, value } }) => ({ server, zone, name, value }));
}

/** One UPDATE; where the server refuses several names together, one by one, to find out which it means. */
async function apply(
  primary: Primary,
  zone: string,
  changes: readonly TxtChange[],
  settings: SolverSettings,
): Promise<void> {
  const answer = await primary.update(zone, changes);
  const names = unique(changes.map(({ name }) => name));
  const problem = problemOf(answer, attempt(settings, primary, zone, names));
  if (problem === undefined) {
    settings.log.debug(`${primary.name} took the changes of zone ${zone}`, { names });
    return;
  }
  if (changes.length === 1 || !isAboutNames(answer)) throw problem;
  for (const change of changes) await apply(primary, zone, [change], settings);
}

interface Wanted {
  readonly zone: string;
  readonly readable: boolean;
  readonly change: TxtChange;
}

/** A server may say NOERROR and show nothing: below a delegation, or beside a CNAME that came in between. */
async function readBack(
  primary: Primary,
  wanted: readonly Wanted[],
  settings: SolverSettings,
): Promise<void> {
  const lost: Wanted[] = [];
  await Promise.all(
    wanted.map(async (item) => {
      if (!item.readable) return;
      const sight = await primary.look(item.change.name);
      const seen = sight.kind === "here" && sight.values.includes(item.change.value);
      if (!seen) lost.push(item);
    }),
  );
  const [first] = lost;
  if (first === undefined) return;
  for (const { zone, change } of lost) await primary.update(zone, [{ ...change, kind: "delete" }]);
  throw new Problem("solver", {
    detail: `${primary.name} accepted the TXT record at ${lost.map(({ change }) => change.name).join(", ")} in zone ${first.zone}, but does not show it.`,
    hint: "If the server shows other data to signed queries (views), set signQuery; otherwise look whether the name is delegated or a CNAME.",
    retryable: settings.key === undefined,
  });
}

async function withdraw(
  primary: Primary,
  items: readonly CleanupItem<"dns-01", Receipt>[],
  settings: SolverSettings,
): Promise<void> {
  const found = await Promise.all(
    items.map(async ({ challenge, receipt }) => {
      const name = receipt?.name ?? challenge.recordName;
      const zone = receipt?.zone ?? (await zoneForCleanup(primary, name, settings));
      const value = receipt?.value ?? challenge.recordValue;
      return { zone, change: { kind: "delete", name, value, ttl: 0 } as const };
    }),
  );
  for (const [zone, group] of byZone(found)) {
    for (const changes of chunks(group.map(({ change }) => change))) {
      const answer = await primary.update(zone, changes);
      if (settings.key === undefined || !isZoneGone(answer)) {
        const names = changes.map(({ name }) => name);
        const problem = problemOf(answer, attempt(settings, primary, zone, names));
        if (problem !== undefined) throw problem;
      } else {
        settings.log.info(
          `${primary.name} does not have zone ${zone} any more: nothing to clean up`,
        );
      }
    }
  }
}

/** Where nothing of ours can be, there is nothing to remove. */
async function zoneForCleanup(
  primary: Primary,
  name: string,
  settings: SolverSettings,
): Promise<string | undefined> {
  if (settings.zone !== undefined) return settings.zone;
  const sight = await primary.look(name);
  if (sight.kind === "here") return sight.zone ?? primary.findZone(name);
  settings.log.info(`${primary.name} holds no TXT records at ${name}: nothing to clean up`);
  return undefined;
}

/** A value stands where it was written, also when the option server has changed since. */
function byServer(items: readonly CleanupItem<"dns-01", Receipt>[], settings: SolverSettings) {
  const configured = nameOfServer(settings);
  const groups = Map.groupBy(items, ({ receipt }) => receipt?.server ?? configured);
  for (const server of groups.keys())
    if (server !== configured)
      settings.log.info(`cleaning up at ${server}, which was written to, and not at ${configured}`);
  return groups;
}

function attempt(
  { key }: SolverSettings,
  { name: server }: Primary,
  zone: string,
  names: readonly string[],
) {
  return { server, zone, names, key };
}

function byZone<T extends { zone: string | undefined }>(
  items: readonly T[],
): ReadonlyMap<string, readonly T[]> {
  const served = items.filter(({ zone }) => zone !== undefined);
  return Map.groupBy(served, ({ zone }) => zone ?? "");
}

function chunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  const count = Math.ceil(items.length / mostChanges);
  return Array.from({ length: count }, (_, n) =>
    items.slice(n * mostChanges, (n + 1) * mostChanges),
  );
}

function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)];
}
