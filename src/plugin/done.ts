/** Asks a provider whether its changes are live. */
import type { Call, Dns01Challenge, Log } from "../plugin.ts";
import { isAbsent } from "./provider.ts";
import type { Provider, ZoneReceipt } from "./provider.ts";
import { Refusal } from "./refusal.ts";
import type { ProviderZone } from "./zones.ts";

/** How a provider tells whether a change is live. */
export interface Changes {
  /** Is the change live on all name servers? Where that may not be asked, only the DNS is. */
  isDone?(zone: ProviderZone, changeId: string, signal: AbortSignal): Promise<boolean>;
  /** What to grant so that it may be asked, e.g. `dns.changes.get`. */
  readonly donePermission?: string;
}

export interface RecordSetReceipt extends ZoneReceipt {
  /** Absent when the value was there already. */
  readonly changeId?: string;
}

/** Milliseconds. */
const freshFor = 1_000;

/** All names of a change share it: it is asked for once a second at most, and never again once it is done. */
export function doneChecker(provider: Changes & Pick<Provider, "explain">, log: Log) {
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
