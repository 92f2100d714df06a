/** GetChange: has Route 53 carried a change to all of its name servers? */
import type { Call, Dns01Challenge, Log } from "acmectl/plugin";
import type { Api } from "./client.ts";
import { codeOf } from "./answer.ts";
import type { Explain, Receipt } from "./solver.ts";

interface InsyncSettings {
  readonly waitForInsync: boolean;
  readonly log: Log;
}

const freshFor = 1_000;

/** All names of a batch share one change: it is asked for once a second at most, and never again once it is in sync. */
export function insyncChecker(api: Api, settings: InsyncSettings, explaining: Explain) {
  const ask = asker(api, settings.log);
  const known = new Map<string, { until: number; insync: Promise<boolean> }>();
  return async (_challenge: Dns01Challenge, { changeId }: Receipt, call: Call) => {
    if (changeId === undefined || !settings.waitForInsync) return true;
    const last = known.get(changeId);
    if (last !== undefined && performance.now() < last.until) return last.insync;
    const insync = explaining(
      { doing: `ask for the state of change ${changeId}`, action: "route53:GetChange" },
      call.signal,
      () => ask(changeId, call),
    );
    const entry = { until: Number.POSITIVE_INFINITY, insync };
    known.set(changeId, entry);
    try {
      if (!(await insync)) entry.until = performance.now() + freshFor;
      return await insync;
    } catch (error) {
      known.delete(changeId);
      throw error;
    }
  };
}

function asker(api: Api, log: Log) {
  let denied = false;
  return async (changeId: string, { signal }: Call) => {
    if (denied) return true;
    try {
      return await api.insync(changeId, signal);
    } catch (error) {
      if (codeOf(error) === "NoSuchChange") return true;
      if (codeOf(error) !== "AccessDenied") throw error;
      denied = true;
      log.warn(
        "route53:GetChange is not allowed; relying on the DNS alone. To allow it, add route53:GetChange on arn:aws:route53:::change/*.",
      );
      return true;
    }
  };
}
