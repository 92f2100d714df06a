/** Presents and cleans up: every value is a record of its own, so nobody's else is ever touched. */
import type { Call, CleanupItem, Dns01Challenge, Log, Solver } from "acmectl/plugin";
import { retries, retrying } from "./failure.ts";
import { explaining, zoneText } from "./party.ts";
import type { Party } from "./party.ts";
import { check } from "./preflight.ts";
import { recordsOf } from "./records.ts";
import type { Records } from "./records.ts";
import { zoneFinder } from "./zones.ts";
import type { Zone } from "./zones.ts";

/** What undoes a present. */
export interface Receipt {
  readonly zoneId: string;
  readonly zoneName?: string;
  readonly recordId: string;
}

export interface SolverSettings {
  readonly ttl: number;
  readonly zoneId: string | undefined;
  readonly accountId: string | undefined;
  readonly log: Log;
}

/** A solver that finds zones as `reader` and writes records as `writer`, often the same. */
export function solve(
  reader: Party,
  writer: Party,
  settings: SolverSettings,
): Solver<"dns-01", Receipt> {
  const { log } = settings;
  const finder = zoneFinder(
    (query, signal) => retrying(() => reader.api.zones(query, signal), retries, log, signal),
    settings,
  );
  const zoneOf = (recordName: string, { signal }: Call) =>
    explaining(reader, `find the zone of ${recordName}`, signal, () => finder(recordName, signal));
  const records = recordsOf(writer.api, log);
  const single = singles(writer, records, settings.ttl);
  const batch = batches(writer, records, settings.ttl);
  const zoneFor = (item: CleanupItem<"dns-01", Receipt>, call: Call) =>
    item.receipt === undefined ? zoneOf(item.challenge.recordName, call) : zoneIn(item.receipt);
  return {
    preflight: (targets, call) =>
      check({ reader, writer, settings, zoneOf, records }, targets, call),
    present: async (challenge, call) =>
      single.presentIn(await zoneOf(challenge.recordName, call), challenge, call),
    cleanup: async (challenge, receipt, call) => {
      const item = { challenge, receipt };
      await single.cleanupIn(await zoneFor(item, call), item, call);
    },
    async presentAll(challenges, call) {
      const places = await byZone(challenges, ({ recordName }) => zoneOf(recordName, call));
      const receipts = new Map<Dns01Challenge, Receipt>();
      for (const { zone, items } of places) {
        const ids = await batch.presentAllIn(zone, items, call);
        for (const [index, challenge] of items.entries()) {
          const id = ids?.[index];
          const receipt =
            id === undefined ? single.presentIn(zone, challenge, call) : receiptOf(zone, id);
          receipts.set(challenge, await receipt);
        }
      }
      return challenges.flatMap((challenge) => receipts.get(challenge) ?? []);
    },
    async cleanupAll(all, call) {
      for (const { zone, items } of await byZone(all, async (item) => zoneFor(item, call)))
        if (!(await batch.cleanupAllIn(zone, items, call)))
          for (const item of items) await single.cleanupIn(zone, item, call);
    },
  };
}

function singles(writer: Party, records: Records, ttl: number) {
  return {
    async presentIn(zone: Zone, { recordName, recordValue }: Dns01Challenge, { signal }: Call) {
      const doing = `create the TXT record ${recordName} in zone ${zoneText(zone)}`;
      const record = { name: recordName, value: recordValue, ttl };
      const id = await explaining(writer, doing, signal, () =>
        records.create(zone.id, record, signal),
      );
      return receiptOf(zone, id);
    },
    async cleanupIn(zone: Zone, item: CleanupItem<"dns-01", Receipt>, { signal }: Call) {
      const { recordName, recordValue } = item.challenge;
      const doing = `delete the TXT record ${recordName} in zone ${zoneText(zone)}`;
      await explaining(writer, doing, signal, async () => {
        const ids =
          item.receipt === undefined
            ? await records.find(zone.id, recordName, recordValue, signal)
            : [item.receipt.recordId];
        for (const id of ids) await records.remove(zone.id, id, signal);
      });
    },
  };
}

/** A batch is done whole or not at all, so what it cannot do is done one by one, where each failure has its own name. */
function batches(writer: Party, records: Records, ttl: number) {
  return {
    async presentAllIn(zone: Zone, challenges: readonly Dns01Challenge[], { signal }: Call) {
      const doing = `create ${challenges.length} TXT records in zone ${zoneText(zone)}, the first ${challenges[0]?.recordName}`;
      const wanted = challenges.map(({ recordName, recordValue }) => {
        return { name: recordName, value: recordValue, ttl };
      });
      return explaining(writer, doing, signal, () => records.createAll(zone.id, wanted, signal));
    },
    async cleanupAllIn(
      zone: Zone,
      items: readonly CleanupItem<"dns-01", Receipt>[],
      { signal }: Call,
    ) {
      const doing = `delete ${items.length} TXT records in zone ${zoneText(zone)}, the first ${items[0]?.challenge.recordName}`;
      const ids = items.flatMap(({ receipt }) => receipt?.recordId ?? []);
      if (ids.length < items.length) return false;
      return explaining(writer, doing, signal, () => records.removeAll(zone.id, ids, signal));
    },
  };
}

async function byZone<T>(
  items: readonly T[],
  zoneOf: (item: T) => Promise<Zone>,
): Promise<readonly { zone: Zone; items: readonly T[] }[]> {
  const groups = new Map<string, { zone: Zone; items: T[] }>();
  for (const item of items) {
    const zone = await zoneOf(item);
    const group = groups.get(zone.id);
    if (group === undefined) groups.set(zone.id, { zone, items: [item] });
    else group.items.push(item);
  }
  return [...groups.values()];
}

function receiptOf(zone: Zone, recordId: string): Receipt {
  return { zoneId: zone.id, ...(zone.name === undefined ? {} : { zoneName: zone.name }), recordId };
}

function zoneIn({ zoneId, zoneName }: Receipt): Zone {
  return zoneName === undefined ? { id: zoneId } : { id: zoneId, name: zoneName };
}
