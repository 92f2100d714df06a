import { isOurs, readCrontab } from "./crontab.ts";
import type { Machine } from "./machine.ts";
import { readUnits, type Units } from "./systemd.ts";

/** What `install` has left here, by either scheduler. */
export interface Found {
  readonly units: Units | undefined;
  /** All lines; undefined where there is no crontab(1). */
  readonly crontab: readonly string[] | undefined;
  /** Those that are ours. */
  readonly lines: readonly string[];
}

/** Look at both schedulers; rejects where one cannot be read. */
export async function findSchedules(machine: Machine): Promise<Found> {
  const [units, crontab] = await Promise.all([readUnits(machine), readCrontab(machine)]);
  return { units, crontab, lines: (crontab ?? []).filter(isOurs) };
}
