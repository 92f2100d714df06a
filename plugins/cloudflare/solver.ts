/** Presents and cleans up: every value is a record of its own, so nobody's else is ever touched. */
import { Problem } from "acmectl/plugin";
import type { Call, Log, Solver, Target } from "acmectl/plugin";
import type { Api } from "./client.ts";
import { problemOf } from "./errors.ts";
import { failureOf, retrying, says } from "./failure.ts";
import { zoneFinder } from "./zones.ts";
import type { Zone } from "./zones.ts";

/** What undoes a present. */
export interface Receipt {
  readonly zoneId: string;
  readonly zoneName?: string;
  readonly recordId: string;
}

export interface Party {
  readonly api: Api;
  /** Whose credentials it sends, for people. */
  readonly identity: string;
  /** A token can be asked what it is; a key cannot. */
  readonly isToken: boolean;
}

export interface SolverSettings {
  readonly ttl: number;
  readonly zoneId: string | undefined;
  readonly accountId: string | undefined;
  readonly log: Log;
}

const retries = 4;

/** A solver that finds zones as `reader` and writes records as `writer`, often the same. */
export function solve(
  reader: Party,
  writer: Party,
  settings: SolverSettings,
): Solver<"dns-01", Receipt> {
  const { log, ttl } = settings;
  const finder = zoneFinder(
    (query, signal) => retrying(() => reader.api.zones(query, signal), retries, log, signal),
    settings,
  );
  const zoneOf = (recordName: string, { signal }: Call) =>
    explaining(reader, `find the zone of ${recordName}`, signal, () => finder(recordName, signal));
  const records = recordCalls(writer.api, log);
  return {
    preflight: (targets, call) =>
      check({ writer, settings, zoneOf, find: records.find }, targets, call),
    async present({ recordName: name, recordValue: value }, call) {
      const zone = await zoneOf(name, call);
      const { signal } = call;
      const doing = `create the TXT record ${name} in zone ${zoneText(zone)}`;
      const recordId = await explaining(writer, doing, signal, () =>
        records.create({ zoneId: zone.id, name, value, ttl }, signal),
      );
      return {
        zoneId: zone.id,
        ...(zone.name === undefined ? {} : { zoneName: zone.name }),
        recordId,
      };
    },
    async cleanup({ recordName, recordValue }, receipt, call) {
      const zone = receipt === undefined ? await zoneOf(recordName, call) : zoneIn(receipt);
      const { signal } = call;
      const doing = `delete the TXT record ${recordName} in zone ${zoneText(zone)}`;
      await explaining(writer, doing, signal, async () => {
        const ids =
          receipt === undefined
            ? await records.find(zone.id, recordName, recordValue, signal)
            : [receipt.recordId];
        for (const id of ids) await records.remove(zone.id, id, signal);
      });
    },
  };
}

interface Inspection {
  readonly writer: Party;
  readonly settings: SolverSettings;
  readonly zoneOf: (recordName: string, call: Call) => Promise<Zone>;
  find(
    zoneId: string,
    name: string,
    value: string,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
}

/** Proves the credentials, every zone, and the right to read each; writing cannot be tried without writing. */
async function check(
  inspection: Inspection,
  targets: readonly Target[],
  call: Call,
): Promise<void> {
  const { writer, zoneOf, settings } = inspection;
  const { signal } = call;
  await checkToken(writer, settings, signal);
  const read = new Set<string>();
  for (const { recordName } of targets) {
    if (recordName === undefined) continue;
    const zone = await zoneOf(recordName, call);
    if (read.has(zone.id)) continue;
    read.add(zone.id);
    const doing = `read the TXT records of ${recordName} in zone ${zoneText(zone)}`;
    await explaining(writer, doing, signal, () => inspection.find(zone.id, recordName, "", signal));
  }
}

/** Says what a look at a zone cannot: that a token was disabled, or ends soon. A refusal here proves nothing: a token of an account may only ask there. */
async function checkToken(
  { api, identity, isToken }: Party,
  settings: SolverSettings,
  signal: AbortSignal,
) {
  if (!isToken) return;
  const { log, accountId } = settings;
  const ask = (account: string | undefined) =>
    retrying(() => api.verify(account, signal), retries, log, signal);
  try {
    const asUser = ask(undefined);
    const state = await (accountId === undefined ? asUser : asUser.catch(() => ask(accountId)));
    if (state.status !== "active")
      throw new Problem("config", {
        title: "The API token is not active",
        detail: `Cloudflare: ${identity} (token id ${state.id}) is ${state.status}${state.expires === undefined ? "" : `, expiry ${state.expires}`}`,
        hint: "Enable, renew or replace it at https://dash.cloudflare.com/profile/api-tokens.",
      });
    log.debug(`token id ${state.id} is active`, { expires: state.expires ?? "never" });
  } catch (error) {
    signal.throwIfAborted();
    if (Problem.is(error)) throw error;
    log.debug(`cannot verify the token: ${failureOf(error).message}`);
  }
}

function recordCalls(api: Api, log: Log) {
  const find = async (zoneId: string, name: string, value: string, signal: AbortSignal) => {
    const ids: string[] = [];
    for (let page = 1; ; page += 1) {
      const answer = await retrying(
        () => api.records(zoneId, name, page, signal),
        retries,
        log,
        signal,
      );
      // Written with quotes, but the dashboard and older clients store it without.
      const own = answer.items.filter(({ content }) => content.replace(/^"(.*)"$/, "$1") === value);
      ids.push(...own.map(({ id }) => id));
      if (!answer.more) return ids;
    }
  };
  return {
    find,
    async create(record: Parameters<Api["create"]>[0], signal: AbortSignal) {
      try {
        return await retrying(() => api.create(record, signal), retries, log, signal);
      } catch (error) {
        // It is there: from a crashed run, or from a request whose answer got lost.
        if (!says(failureOf(error), 81_057, 81_058)) throw error;
        const [id] = await find(record.zoneId, record.name, record.value, signal);
        if (id === undefined) throw error;
        return id;
      }
    },
    async remove(zoneId: string, recordId: string, signal: AbortSignal) {
      try {
        await retrying(() => api.remove(zoneId, recordId, signal), retries, log, signal);
      } catch (error) {
        const failure = failureOf(error);
        if (failure.status !== 404 && !says(failure, 81_044)) throw error;
        log.debug(`record ${recordId} is gone already`);
      }
    },
  };
}

async function explaining<T>(
  party: Party,
  doing: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw problemOf(error, { doing, identity: party.identity }, signal);
  }
}

function zoneText({ id, name }: Zone): string {
  return name === undefined ? id : `${name} (${id})`;
}

function zoneIn({ zoneId, zoneName }: Receipt): Zone {
  return zoneName === undefined ? { id: zoneId } : { id: zoneId, name: zoneName };
}
