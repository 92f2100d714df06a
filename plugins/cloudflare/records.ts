/** TXT records of a zone: found by value, made once, gone for good, many at a time where that works. */
import type { Log } from "acmectl/plugin";
import type { Api, NewRecord } from "./client.ts";
import { failureOf, retries, retrying, says } from "./failure.ts";
import type { Failure } from "./failure.ts";

/** Free zones take 200 operations in one batch. */
const mostAtOnce = 100;

export type WantedRecord = Omit<NewRecord, "zoneId">;

export interface Records {
  /** The ids of all records at `name` that hold `value`. */
  find(
    zoneId: string,
    name: string,
    value: string,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** The id of the record, which may have been there already. */
  create(zoneId: string, record: WantedRecord, signal: AbortSignal): Promise<string>;
  /** Succeeds when it is gone already. */
  remove(zoneId: string, recordId: string, signal: AbortSignal): Promise<void>;
  /** Ids in the order of the records; none when it has to be done one by one. */
  createAll(
    zoneId: string,
    records: readonly WantedRecord[],
    signal: AbortSignal,
  ): Promise<readonly string[] | undefined>;
  /** False when it has to be done one by one. */
  removeAll(zoneId: string, recordIds: readonly string[], signal: AbortSignal): Promise<boolean>;
}

/** Record calls that repeat what got lost, and take what is true already for done. */
export function recordsOf(api: Api, log: Log): Records {
  const find = finder(api, log);
  return {
    find,
    async create(zoneId, record, signal) {
      try {
        return await retrying(
          () => api.create({ zoneId, ...record }, signal),
          retries,
          log,
          signal,
        );
      } catch (error) {
        // It is there: from a crashed run, or from a request whose answer got lost.
        if (!says(failureOf(error), 81_057, 81_058)) throw error;
        const [id] = await find(zoneId, record.name, record.value, signal);
        if (id === undefined) throw error;
        return id;
      }
    },
    async remove(zoneId, recordId, signal) {
      try {
        await retrying(() => api.remove(zoneId, recordId, signal), retries, log, signal);
      } catch (error) {
        const failure = failureOf(error);
        if (failure.status !== 404 && !says(failure, 81_044)) throw error;
        log.debug(`record ${recordId} is gone already`);
      }
    },
    ...batchCalls(api, log),
  };
}

function finder(api: Api, log: Log): Records["find"] {
  return async (zoneId, name, value, signal) => {
    const ids: string[] = [];
    for (let page = 1; ; page += 1) {
      const ask = () => api.records(zoneId, name, page, signal);
      const answer = await retrying(ask, retries, log, signal);
      // Written with quotes, but the dashboard and older clients store it without.
      const own = answer.items.filter(({ content }) => bare(content) === value);
      ids.push(...own.map(({ id }) => id));
      if (!answer.more) return ids;
    }
  };
}

function batchCalls(api: Api, log: Log): Pick<Records, "createAll" | "removeAll"> {
  return {
    async createAll(zoneId, records, signal) {
      const ids: (string | undefined)[] = [];
      for (const create of chunks(records)) {
        const ask = () => api.batch(zoneId, { create, remove: [] }, signal);
        const made = await unlessRefused(() => retrying(ask, retries, log, signal), log);
        if (made === undefined) return undefined;
        const idOf = new Map(made.map(({ id, name, content }) => [`${name} ${bare(content)}`, id]));
        ids.push(...create.map(({ name, value }) => idOf.get(`${name} ${value}`)));
      }
      return ids.every((id) => id !== undefined) ? ids : undefined;
    },
    async removeAll(zoneId, recordIds, signal) {
      for (const remove of chunks(recordIds)) {
        const ask = () => api.batch(zoneId, { create: [], remove }, signal);
        const done = await unlessRefused(() => retrying(ask, retries, log, signal), log);
        if (done === undefined) return false;
      }
      return true;
    },
  };
}

/** A record that is there, or gone, already makes Cloudflare refuse the whole batch; so may a plan that knows no batches. */
async function unlessRefused<T>(call: () => Promise<T>, log: Log): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    const failure = failureOf(error);
    if (!isRefusal(failure)) throw error;
    log.debug(`no batch (${failure.message}); going one by one`);
    return undefined;
  }
}

function isRefusal({ status }: Failure): boolean {
  return status !== undefined && status >= 400 && status < 500 && status !== 429;
}

function chunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  const count = Math.ceil(items.length / mostAtOnce);
  return Array.from({ length: count }, (_, index) =>
    items.slice(index * mostAtOnce, (index + 1) * mostAtOnce),
  );
}

function bare(content: string): string {
  return content.replace(/^"(.*)"$/, "$1");
}
