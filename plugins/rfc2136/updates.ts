/** The UPDATEs of a call: adds and deletes only its own values, in as few messages as possible. */
import { Problem } from "acmectl/plugin";
import type { CleanupItem, Dns01Challenge, Log, Target } from "acmectl/plugin";
import { nameOfServer, placeOf } from "./client.ts";
import type { Place, Primary, PrimarySettings } from "./client.ts";
import { isAboutNames, isZoneGone, problemOf } from "./errors.ts";
import type { Change } from "./message.ts";

export interface Receipt {
  /** `HOST:PORT` of the primary that has the record. */
  readonly server: string;
  readonly zone: string;
  readonly name: string;
  readonly value: string;
}

export interface SolverSettings extends PrimarySettings {
  /** Set by the user; undefined to look it up at the server. */
  readonly zone: string | undefined;
  /** Seconds. */
  readonly ttl: number;
  readonly log: Log;
}

/** Changes per message, far below the 64 KB of TCP. */
const mostChanges = 200;

/** Deletes a value that does not exist at every name: the server checks key and permission, and changes nothing. */
export async function rehearse(
  primary: Primary,
  targets: readonly Pick<Target, "recordName" | "recordType">[],
  settings: SolverSettings,
): Promise<void> {
  const wanted = targets.flatMap(({ recordName: name, recordType: type = "TXT" as const }) =>
    name === undefined ? [] : [{ name, type }],
  );
  const places = await Promise.all(
    distinct(wanted).map((place) => placeOf(primary, place, settings)),
  );
  const items = places.map(({ zone, name, type }) => {
    return { zone, change: deletion(name, absent[type], type) };
  });
  for (const [zone, changes] of batches(items)) await apply(primary, zone, changes, settings);
}

/** Values that exist nowhere. */
const absent = {
  TXT: "acmectl deletes this value to check its permission",
  TLSA: `3 1 1 ${"0".repeat(64)}`,
} as const;

export async function publish(
  primary: Primary,
  challenges: readonly Dns01Challenge[],
  settings: SolverSettings,
): Promise<readonly Receipt[]> {
  const placed = challenges.map(({ recordName: name, recordType: type = "TXT" as const }) => {
    return { name, type };
  });
  const places = new Map<string, Place>();
  await Promise.all(
    distinct(placed).map(async (place) =>
      places.set(keyOf(place), await placeOf(primary, place, settings)),
    ),
  );
  const wanted = challenges.map(({ recordName: name, recordValue: value, recordType }) => {
    const place: Named = { name, type: recordType ?? "TXT" };
    const { zone = "", ttl, readable = false } = places.get(keyOf(place)) ?? {};
    const record = { ...place, value, ttl: ttl ?? settings.ttl };
    return { zone, readable, change: { kind: "add", ...record } as const };
  });
  for (const [zone, changes] of batches(wanted)) await apply(primary, zone, changes, settings);
  await readBack(primary, wanted, settings);
  const { name: server } = primary;
  return wanted.map(({ zone, change: { name, value } }) => ({ server, zone, name, value }));
}

/** One UPDATE. If the server refuses several names at once, repeats them one by one to find out which it refuses. */
async function apply(
  primary: Primary,
  zone: string,
  changes: readonly Change[],
  settings: SolverSettings,
): Promise<void> {
  const answer = await primary.update(zone, changes);
  const names = [...new Set(changes.map(({ name }) => name))];
  const { type = "TXT" } = changes[0] ?? {};
  const problem = problemOf(answer, { server: primary.name, zone, names, type, key: settings.key });
  if (problem === undefined) {
    settings.log.debug(`${primary.name} updated zone ${zone}`, { names });
    return;
  }
  if (changes.length === 1 || !isAboutNames(answer)) throw problem;
  for (const change of changes) await apply(primary, zone, [change], settings);
}

/** A server may answer NOERROR and ignore the record, below a delegation or beside a CNAME. */
async function readBack(
  primary: Primary,
  wanted: readonly { zone: string; readable: boolean; change: Change }[],
  settings: SolverSettings,
): Promise<void> {
  const lost: { zone: string; change: Change }[] = [];
  await Promise.all(
    wanted.map(async ({ zone, readable, change }) => {
      if (!readable) return;
      const found = await primary.look(change.name, change.type);
      const seen = found.kind === "here" && found.values.includes(change.value);
      if (!seen) lost.push({ zone, change });
    }),
  );
  const [first] = lost;
  if (first === undefined) return;
  for (const { zone, change } of lost) await primary.update(zone, [{ ...change, kind: "delete" }]);
  throw new Problem("solver", {
    detail: `${primary.name} accepted the ${first.change.type} record at ${lost.map(({ change }) => change.name).join(", ")} in zone ${first.zone}, but does not show it.`,
    hint: "If the server selects a view by key, set signQuery; otherwise check whether the name is delegated or a CNAME.",
    retryable: settings.key === undefined,
  });
}

export async function remove(
  primary: Primary,
  items: readonly CleanupItem<"dns-01", Receipt>[],
  settings: SolverSettings,
): Promise<void> {
  const found = await Promise.all(
    items.map(async ({ challenge, receipt }) => {
      const name = receipt?.name ?? challenge.recordName;
      const type = challenge.recordType ?? "TXT";
      const zone = receipt?.zone ?? (await zoneForCleanup(primary, name, settings));
      const value = receipt?.value ?? challenge.recordValue;
      return { zone, change: deletion(name, value, type) };
    }),
  );
  for (const [zone, changes] of batches(found)) {
    const answer = await primary.update(zone, changes);
    if (settings.key !== undefined && isZoneGone(answer)) {
      settings.log.info(`${primary.name} no longer has zone ${zone}: nothing to clean up`);
      continue;
    }
    const names = changes.map(({ name }) => name);
    const { type = "TXT" } = changes[0] ?? {};
    const at = { server: primary.name, zone, names, type, key: settings.key };
    const problem = problemOf(answer, at);
    if (problem !== undefined) throw problem;
  }
}

/** The zone of a name without a receipt; undefined if there cannot be a record to remove. */
async function zoneForCleanup(
  primary: Primary,
  name: string,
  settings: SolverSettings,
): Promise<string | undefined> {
  if (settings.zone !== undefined) return settings.zone;
  const found = await primary.look(name, "TXT");
  if (found.kind === "here") return found.zone ?? primary.findZone(name);
  settings.log.info(`${primary.name} has no records at ${name}: nothing to clean up`);
  return undefined;
}

/** A record is removed where it was written, even if the option server has changed since. */
export function byServer(
  items: readonly CleanupItem<"dns-01", Receipt>[],
  settings: SolverSettings,
) {
  const configured = nameOfServer(settings);
  const groups = Map.groupBy(items, ({ receipt }) => receipt?.server ?? configured);
  for (const server of groups.keys())
    if (server !== configured)
      settings.log.info(`cleaning up at ${server}, which has the record, not at ${configured}`);
  return groups;
}

function deletion(name: string, value: string, type: Change["type"]): Change {
  return { kind: "delete", type, name, value, ttl: 0 };
}

/** The changes of one UPDATE each; those without a zone are left out. */
function* batches(
  items: readonly { readonly zone: string | undefined; readonly change: Change }[],
): Generator<[zone: string, changes: readonly Change[]]> {
  for (const [zone, group] of Map.groupBy(items, ({ zone }) => zone)) {
    if (zone === undefined) continue;
    const changes = group.map(({ change }) => change);
    for (let at = 0; at < changes.length; at += mostChanges)
      yield [zone, changes.slice(at, at + mostChanges)];
  }
}

type Named = Pick<Place, "name" | "type">;

const keyOf = ({ name, type }: Named) => `${type} ${name}`;

function distinct(places: readonly Named[]): readonly Named[] {
  return [...new Map(places.map((place) => [keyOf(place), place])).values()];
}
