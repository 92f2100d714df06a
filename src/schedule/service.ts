/** `acmectl run` as a service of systemd, in place of a schedule. */
import { Problem } from "../problem.ts";
import { environmentFileFor, refuseForeign } from "./schedule.ts";
import { assertRead, findSchedules, foreignSchedules, type Found } from "./found.ts";
import { assertLasting, assertOneLine, type Job } from "./job.ts";
import type { Machine } from "./machine.ts";
import {
  assertInstallable,
  installRunUnit,
  isRunning,
  readUnit,
  runUnitPath,
  unitPaths,
} from "./systemd.ts";
import { runUnit, runUnitName } from "./units.ts";

export interface ServiceOptions {
  /** Places of the health checks. */
  readonly listen: readonly string[];
  /** Install although a renewal was set up by hand. */
  readonly force: boolean;
  readonly dryRun: boolean;
  /** See `InstallOptions`. */
  readonly keepEnvironmentFile?: boolean | undefined;
  /** See `UnitSettings`. */
  readonly writable: readonly string[];
}

export interface ServiceInstallation {
  readonly path: string;
  readonly unit: string;
  readonly environmentFile: string | undefined;
  readonly outcome: "installed" | "replaced" | "unchanged" | "dry-run";
}

/** Installs or updates the unit and starts it. A dry run makes the same checks. */
export async function installService(
  wanted: Job,
  options: ServiceOptions,
  machine: Machine,
): Promise<ServiceInstallation> {
  const { program, stateFolder, configPath } = wanted;
  const paths = [program.node, program.script, stateFolder, configPath, wanted.environmentFile];
  assertOneLine([...paths, ...options.writable, ...options.listen]);
  if (!options.force) assertLasting(program, machine.temporaryFolders);
  if (!machine.systemd)
    throw new Problem("machine", {
      detail: "--service: systemd does not run on this machine.",
      hint: "Start `acmectl run` by other means (docs/run.md), or leave --service out to use cron.",
    });
  const path = runUnitPath(machine);
  const before = await readUnit(path);
  await assertInstallable(`${runUnitName}.service`, machine);
  const found = await findSchedules(machine);
  assertRead(found, { units: true, crontab: false }, machine);
  refuseSchedule(found, machine);
  if (!options.force)
    refuseForeign(await foreignSchedules(found, machine), ({ where }) => where === path);
  const environmentFile = await environmentFileFor(wanted, options, found, machine);
  const settings = { root: machine.uid === 0, writable: options.writable };
  const unit = runUnit({ ...wanted, environmentFile }, options.listen, settings);
  const outcome = await settle({ unit, before }, options, machine);
  return { path, unit, environmentFile, outcome };
}

async function settle(
  { unit, before }: { unit: string; before: string | undefined },
  { dryRun }: ServiceOptions,
  machine: Machine,
): Promise<ServiceInstallation["outcome"]> {
  if (dryRun) return "dry-run";
  if (before === unit && (await isRunning(`${runUnitName}.service`, machine))) return "unchanged";
  await installRunUnit(unit, machine);
  return before === undefined ? "installed" : "replaced";
}

/** Both would renew the same certificates. */
function refuseSchedule({ units, lines }: Found, machine: Machine): void {
  if (units === undefined && lines.length === 0) return;
  const where = units === undefined ? "the crontab of this user" : unitPaths(machine).timer;
  throw new Problem("config", {
    title: "A schedule does the same",
    detail: `${where} runs acmectl renew, and the service would renew the same certificates.`,
    hint: "Run `acmectl schedule remove`, then `acmectl schedule install --service`.",
  });
}
