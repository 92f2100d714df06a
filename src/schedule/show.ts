import { assertRead, findSchedules, type Foreign, foreignSchedules } from "./found.ts";
import { writtenInterval } from "./interval.ts";
import type { Machine } from "./machine.ts";
import type { Scheduler } from "./schedule.ts";
import { runUnitPath, systemdTime, unitPaths, unitState, type Units } from "./systemd.ts";
import { nextAfter, type Times, timesOfCalendar, timesOfLine } from "./times.ts";
import { runUnitName, unitName } from "./units.ts";

export interface Installed {
  readonly by: Scheduler;
  /** The file, or whose crontab. */
  readonly where: string;
  /** Interval as typed, e.g. `12h`. */
  readonly every: string | undefined;
  readonly command: string;
  readonly next?: Date | undefined;
  readonly last?: Date | undefined;
  /** What the service of `acmectl run` says of itself; empty if it does not run. */
  readonly service?: string | undefined;
  /** False when the timer or the service was stopped or disabled; undefined for cron. */
  readonly active?: boolean | undefined;
}

export async function showSchedules(
  machine: Machine,
): Promise<{ installed: readonly Installed[]; foreign: readonly Foreign[] }> {
  const found = await findSchedules(machine);
  // Where one scheduler is known, the other may be unknown.
  const isByUnit = (found.units ?? found.service) !== undefined;
  const needed = { units: found.lines.length === 0, crontab: !isByUnit };
  assertRead(found, needed, machine);
  const timer = found.units === undefined ? [] : [await timerShown(found.units, machine)];
  const service = found.service === undefined ? [] : [await serviceShown(found.service, machine)];
  const lines = found.lines.map((line) => lineShown(line, machine));
  const foreign = await foreignSchedules(found, machine);
  return { installed: [...service, ...timer, ...lines], foreign };
}

async function serviceShown(unit: string, machine: Machine): Promise<Installed> {
  const state = machine.systemd ? await unitState(`${runUnitName}.service`, machine) : {};
  return {
    by: "systemd",
    where: runUnitPath(machine),
    command: commandOf(unit) ?? "unknown",
    every: undefined,
    service: state["StatusText"] ?? "",
    active: state["ActiveState"] === "active",
  };
}

const commandOf = (unit: string) => /^ExecStart=(.*)$/m.exec(unit)?.[1];

async function timerShown(units: Units, machine: Machine): Promise<Installed> {
  const state = machine.systemd ? await unitState(`${unitName}.timer`, machine) : {};
  return {
    by: "systemd",
    where: unitPaths(machine).timer,
    command: commandOf(units.service) ?? `${unitName}.service is missing`,
    every: intervalOf(timesOfCalendar(units.timer)),
    next: systemdTime(state["NextElapseUSecRealtime"]),
    last: systemdTime(state["LastTriggerUSec"]),
    active: state["ActiveState"] === "active",
  };
}

function lineShown(line: string, { clock }: Machine): Installed {
  const times = timesOfLine(line);
  return {
    by: "cron",
    where: "the crontab of this user",
    command: line.split(" ").slice(5).join(" "),
    every: intervalOf(times),
    next: times === undefined ? undefined : nextAfter(times, clock.now()),
  };
}

function intervalOf(times: Times | undefined): string | undefined {
  return times === undefined ? undefined : writtenInterval(times.every);
}
