/** A solver's context without acmectl around it. */
import type { Log, LogFields, SolverContext, SolverState, Zone } from "../plugin.ts";

/** A log that drops everything. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {} };

export interface LogEntry {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: LogFields;
}

/** A log that keeps everything, debug too, in `entries`. */
export function recordingLog(): Log & { readonly entries: readonly LogEntry[] } {
  const entries: LogEntry[] = [];
  const at =
    (level: keyof Log) =>
    (message: string, fields: LogFields = {}) => {
      entries.push({ level, message, fields });
    };
  return { entries, debug: at("debug"), info: at("info"), warn: at("warn") };
}

/** A context as `create` gets it: state in memory, a silent log, and zones of two labels unless others are given. */
export function solverContext(given: Partial<SolverContext> = {}): SolverContext {
  return {
    name: given.name ?? "solver",
    log: given.log ?? silentLog,
    findZone: given.findZone ?? zoneOfTwoLabels,
    state: given.state ?? memoryState(),
  };
}

/** State that ends with the process, and like the real one keeps nothing but JSON. */
export function memoryState(): SolverState {
  const kept = new Map<string, string>();
  return {
    get: async (key) => {
      const text = kept.get(key);
      return text === undefined ? undefined : JSON.parse(text);
    },
    set: async (key, value) => {
      if (value === undefined) kept.delete(key);
      else kept.set(key, JSON.stringify(value));
    },
  };
}

async function zoneOfTwoLabels(recordName: string): Promise<Zone> {
  const name = recordName.split(".").slice(-2).join(".");
  return { name, nameservers: [`ns1.${name}`] };
}
