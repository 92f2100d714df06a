/** Has Cloud DNS carried a change to all of its name servers? */
import { Refusal } from "acmectl/plugin/http";
import type { Call, Dns01Challenge, Log } from "acmectl/plugin";
import type { Explain } from "acmectl/plugin/http";
import type { Api } from "./client.ts";
import type { Receipt } from "./solver.ts";

const freshFor = 1_000;

/** All names of a change share it: it is asked for once a second at most, and never again once it is done. */
export function doneChecker(api: Api, log: Log, explaining: Explain) {
  const ask = asker(api, log);
  const known = new Map<string, { until: number; done: Promise<boolean> }>();
  return async (_challenge: Dns01Challenge, { zone, changeId }: Receipt, { signal }: Call) => {
    if (changeId === undefined) return true;
    const key = `${zone} ${changeId}`;
    const last = known.get(key);
    if (last !== undefined && performance.now() < last.until) return last.done;
    const doing = `ask for the state of change ${changeId} in zone ${zone}`;
    const done = explaining(doing, signal, () => ask(zone, changeId, signal));
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

function asker(api: Api, log: Log) {
  let denied = false;
  return async (zone: string, changeId: string, signal: AbortSignal): Promise<boolean> => {
    if (denied) return true;
    try {
      return await api.isDone(zone, changeId, signal);
    } catch (error) {
      const status = error instanceof Refusal ? error.status : undefined;
      if (status === 404) return true;
      if (status !== 403) throw error;
      denied = true;
      log.warn("dns.changes.get is not allowed; relying on the DNS alone");
      return true;
    }
  };
}
