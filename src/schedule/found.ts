import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../errors.ts";
import { asProblem, Problem } from "../problem.ts";
import { environmentFileIn, isOurs, readCrontab } from "./cron.ts";
import type { Machine } from "./machine.ts";
import { readUnits, runUnitPath, type Units } from "./systemd.ts";
import { type Times, timesOfCalendar, timesOfLine } from "./times.ts";
import { unitMark } from "./units.ts";

/** What `schedule install` has written here, for either scheduler. */
export interface Found {
  readonly units: Units | undefined;
  /** The unit of the service, if `schedule install --service` has written it. */
  readonly service: string | undefined;
  /** All lines; undefined where there is no crontab(1). */
  readonly crontab: readonly string[] | undefined;
  readonly lines: readonly string[];
  /** Why a scheduler could not be read; then nothing is known of it. */
  readonly unread: { readonly units: Problem | undefined; readonly crontab: Problem | undefined };
}

/** Reads both schedulers, as far as they can be read. */
export async function findSchedules(machine: Machine): Promise<Found> {
  const [units, crontab, service] = await Promise.all([
    readable(readUnits(machine)),
    readable(readCrontab(machine)),
    readFile(runUnitPath(machine), "utf8").catch(() => ""),
  ]);
  return {
    units: units.read,
    service: service.startsWith(unitMark) ? service : undefined,
    crontab: crontab.read,
    lines: (crontab.read ?? []).filter(isOurs),
    unread: { units: units.problem, crontab: crontab.problem },
  };
}

async function readable<T>(reading: Promise<T>): Promise<{ read?: T; problem?: Problem }> {
  const read = await reading.catch(asProblem);
  return Problem.is(read) ? { problem: read } : { read };
}

/** A scheduler that could not be read fails the command if it is `needed`; else it is reported. */
export function assertRead(
  { unread }: Found,
  needed: Readonly<Record<keyof Found["unread"], boolean>>,
  { log }: Pick<Machine, "log">,
): void {
  for (const scheduler of ["units", "crontab"] as const) {
    const problem = unread[scheduler];
    if (problem !== undefined && needed[scheduler]) throw problem;
    if (problem !== undefined) log.warn(problem.message, { step: "schedule" });
  }
}

export function timesIn({ units, lines }: Found): Times | undefined {
  return timesOfCalendar(units?.timer ?? "") ?? timesOfLine(lines[0] ?? "");
}

export function environmentFileOf({ units, service, lines }: Found): string | undefined {
  const unit = /^EnvironmentFile=(.+)$/m.exec(service ?? units?.service ?? "")?.[1];
  return unit?.replaceAll("%%", "%") ?? environmentFileIn(lines[0] ?? "");
}

export interface Foreign {
  /** `the crontab of this user`, or a file. */
  readonly where: string;
  readonly line: string;
}

/** Every line, other than those of `schedule install`, by which cron or systemd runs `acmectl renew` or `acmectl run`. */
export async function foreignSchedules(
  { crontab = [] }: Found,
  machine: Pick<Machine, "systemCrontabs" | "unitFolder" | "packagedUnitFolder">,
): Promise<readonly Foreign[]> {
  const own = renewals(crontab).map((line) => ({ where: "the crontab of this user", line }));
  const { systemCrontabs, unitFolder } = machine;
  const files = (await Promise.all([...systemCrontabs, unitFolder].map(filesIn))).flat();
  const found = await Promise.all(
    [...files, ...(await packagedServices(machine))].map(async (where) => {
      const text = await readFile(where, "utf8").catch(() => "");
      if (text.startsWith(unitMark)) return [];
      return renewals(text.split("\n")).map((line) => ({ where, line }));
    }),
  );
  return [...own, ...found.flat()];
}

/** A package's service runs if its timer is enabled; a unit of the same name in `unitFolder` replaces it. */
async function packagedServices({
  unitFolder,
  packagedUnitFolder,
}: Pick<Machine, "unitFolder" | "packagedUnitFolder">): Promise<readonly string[]> {
  const enabled = await readdir(join(unitFolder, "timers.target.wants")).catch(() => []);
  return enabled
    .map((timer) => timer.replace(/\.timer$/, ".service"))
    .filter((service) => !existsSync(join(unitFolder, service)))
    .map((service) => join(packagedUnitFolder, service));
}

function renewals(lines: readonly string[]): readonly string[] {
  return lines
    .filter((line) => !/^\s*[#;]/.test(line) && !isOurs(line))
    .filter((line) => /(^|[\s/'"=])acmectl(\.js)?['"]?\s(run|(.*\s)?renew)(\s|$|['"])/.test(line));
}

/** The file itself, or the files in a folder; none when it cannot be read. */
async function filesIn(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(path, entry.name));
  } catch (error) {
    return codeOf(error) === "ENOTDIR" ? [path] : [];
  }
}
