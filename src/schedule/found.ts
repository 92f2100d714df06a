import { isOurs, readCrontab } from "./crontab.ts";
import type { Machine } from "./machine.ts";
import { readUnits, type Units } from "./systemd.ts";
import { type Times, timesOfCalendar, timesOfLine } from "./times.ts";

/** What `schedule install` has written here, for either scheduler. */
export interface Found {
  readonly units: Units | undefined;
  /** All lines; undefined where there is no crontab(1). */
  readonly crontab: readonly string[] | undefined;
  /** Those that are ours. */
  readonly lines: readonly string[];
}

/** Reads both schedulers; rejects if one cannot be read. */
export async function findSchedules(machine: Machine): Promise<Found> {
  const [units, crontab] = await Promise.all([readUnits(machine), readCrontab(machine)]);
  return { units, crontab, lines: (crontab ?? []).filter(isOurs) };
}

/** When they run. */
export function timesIn({ units, lines }: Found): Times | undefined {
  return (
    (units === undefined ? undefined : timesOfCalendar(units.timer)) ?? timesOfLine(lines[0] ?? "")
  );
}
