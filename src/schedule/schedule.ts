import { basename } from "node:path";
import { Problem } from "../problem.ts";
import { cronLine, isOurs, writeCrontab } from "./cron.ts";
import {
  environmentFileOf,
  type Foreign,
  type Found,
  assertRead,
  findSchedules,
  foreignSchedules,
  timesIn,
} from "./found.ts";
import { assertEnvironmentFile, assertLasting, assertOneLine, type Job } from "./job.ts";
import type { Machine } from "./machine.ts";
import {
  assertInstallable,
  installUnits,
  isRunning,
  removeRunUnit,
  removeUnits,
  runUnitPath,
  type Units,
} from "./systemd.ts";
import { randomTimes, type Times, timesEvery } from "./times.ts";
import { serviceUnit, timerUnit, unitName } from "./units.ts";

export const schedulers = ["systemd", "cron"] as const;
export type Scheduler = (typeof schedulers)[number];

export interface InstallOptions {
  /** Minutes between two runs, as asked for. */
  readonly every?: number | undefined;
  /** Minutes between two runs that the certificates need. */
  readonly needed: number;
  /** Systemd where it runs, else cron, when absent. */
  readonly by?: Scheduler | undefined;
  /** Install although a renewal was set up by hand. */
  readonly force: boolean;
  readonly dryRun: boolean;
  /** Keep the file with environment variables of the installed schedule if the job has none; true when absent. */
  readonly keepEnvironmentFile?: boolean | undefined;
  /** See `UnitSettings`. */
  readonly writable: readonly string[];
}

export type Plan =
  | { readonly by: "systemd"; readonly units: Units }
  | { readonly by: "cron"; readonly line: string };

export interface Installation {
  readonly plan: Plan;
  /** Minutes between two runs. */
  readonly every: number;
  readonly environmentFile: string | undefined;
  readonly outcome: "installed" | "replaced" | "unchanged" | "dry-run";
}

/**
 * Has the job run by one scheduler, and removes it from the other. An existing schedule keeps its times, its file with
 * variables, and its interval if that is short enough. A renewal that was set up by hand is a Problem that shows it. A dry
 * run makes the same checks.
 */
export async function installSchedule(
  wanted: Job,
  options: InstallOptions,
  machine: Machine,
): Promise<Installation> {
  const { program, stateFolder, configPath } = wanted;
  const paths = [program.node, program.script, stateFolder, configPath, wanted.environmentFile];
  assertOneLine([...paths, ...options.writable]);
  if (!options.force) assertLasting(program, machine.temporaryFolders);
  const by = options.by ?? (machine.systemd ? "systemd" : "cron");
  const found = await findSchedules(machine);
  assertRead(found, { units: true, crontab: by === "cron" }, machine);
  refuseService(found, machine);
  const times = timesFor(options, timesIn(found), machine);
  const environmentFile = await environmentFileFor(wanted, options, found, machine);
  const plan = planOf(by, { ...wanted, environmentFile }, times, options, machine);
  await assertThere(by, found, machine);
  // The units that are installed replace a package's units, which have the same name.
  const isReplaced = ({ where }: Foreign) =>
    by === "systemd" && basename(where) === `${unitName}.service`;
  if (!options.force) refuseForeign(await foreignSchedules(found, machine), isReplaced);
  const outcome = await settle(plan, options, found, machine);
  return { plan, every: times.every, environmentFile, outcome };
}

async function settle(
  plan: Plan,
  { dryRun }: InstallOptions,
  found: Found,
  machine: Machine,
): Promise<Installation["outcome"]> {
  if (dryRun) return "dry-run";
  if (await isInstalled(plan, found, machine)) return "unchanged";
  await install(plan, found, machine);
  return found.units !== undefined || found.lines.length > 0 ? "replaced" : "installed";
}

/** The file that was asked for, else that of the installed schedule or service. */
export async function environmentFileFor(
  { environmentFile }: Job,
  { keepEnvironmentFile = true }: Pick<InstallOptions, "keepEnvironmentFile">,
  found: Found,
  { log }: Machine,
): Promise<string | undefined> {
  const before = keepEnvironmentFile ? environmentFileOf(found) : undefined;
  const file = environmentFile ?? before;
  if (environmentFile === undefined && before !== undefined) {
    const text = `keeping --environment-file ${before} of the installed schedule (--environment-file none removes it)`;
    log.info(text, { step: "schedule" });
  }
  if (file !== undefined) await assertEnvironmentFile(file, log);
  return file;
}

/** An existing schedule keeps its times, and an interval that is short enough. */
function timesFor(
  { every, needed }: InstallOptions,
  before: Times | undefined,
  { random }: Machine,
): Times {
  const chosen = every ?? Math.min(needed, before?.every ?? needed);
  return timesEvery(chosen, before ?? randomTimes(random));
}

function planOf(
  by: Scheduler,
  job: Job,
  times: Times,
  { writable }: InstallOptions,
  { uid }: Machine,
): Plan {
  if (by === "cron") return { by, line: cronLine(job, times) };
  const service = serviceUnit(job, times, { root: uid === 0, writable });
  return { by, units: { timer: timerUnit(times), service } };
}

async function isInstalled(
  plan: Plan,
  { units, lines }: Found,
  machine: Machine,
): Promise<boolean> {
  if (plan.by === "cron") {
    return units === undefined && lines.length === 1 && lines[0] === plan.line;
  }
  const same = units?.timer === plan.units.timer && units.service === plan.units.service;
  return same && lines.length === 0 && (await isRunning(`${unitName}.timer`, machine));
}

/** The new one first: a failure on the way leaves two, and the next `install` one, but never none. */
async function install(plan: Plan, found: Found, machine: Machine): Promise<void> {
  const others = (found.crontab ?? []).filter((line) => !isOurs(line));
  if (plan.by === "cron") {
    await writeCrontab([...others, plan.line], machine);
    if (found.units !== undefined) await removeUnits(machine);
    return;
  }
  await installUnits(plan.units, machine);
  if (found.lines.length > 0) await writeCrontab(others, machine);
}

/** The service renews the same certificates. */
function refuseService({ service }: Found, machine: Machine): void {
  if (service === undefined) return;
  throw new Problem("config", {
    title: "A service does the same",
    detail: `${runUnitPath(machine)} runs acmectl as a service, which renews the same certificates.`,
    hint: "To update the service, add --service. To use a schedule instead, run `acmectl schedule remove` first.",
  });
}

export function refuseForeign(
  foreign: readonly Foreign[],
  isReplaced: (one: Foreign) => boolean,
): void {
  const [first, ...rest] = foreign.filter((one) => !isReplaced(one));
  if (first === undefined) return;
  const more = rest.length === 0 ? "" : ` (and ${rest.length} more)`;
  throw new Problem("config", {
    title: "A renewal is already scheduled",
    detail: `${first.where} already runs acmectl${more}: ${first.line.trim()}`,
    hint: `${stopping(first)}, then try again; --force installs another one beside it.`,
  });
}

function stopping({ where, line }: Foreign): string {
  if (!where.endsWith(".service")) return "Remove that line";
  const unit = basename(where, ".service");
  return `Run systemctl disable --now ${/\srun(\s|$)/.test(line) ? unit : `${unit}.timer`}`;
}

async function assertThere(by: Scheduler, { crontab }: Found, machine: Machine): Promise<void> {
  const { systemd } = machine;
  if (by === "systemd" && !systemd) {
    throw new Problem("machine", {
      detail: "--by systemd: systemd does not run on this machine.",
      hint: "Use --by cron.",
    });
  }
  if (by === "systemd") return assertInstallable(`${unitName}.timer`, machine);
  if (crontab !== undefined) return;
  throw new Problem("machine", {
    detail: "There is no crontab command on this machine.",
    hint: systemd
      ? "Use --by systemd, or install cron."
      : "Install cron, or run `acmectl renew -q --every 6h` every 6 hours by other means.",
  });
}

/** Removes what `install` wrote, and nothing else; the schedulers that had it. */
export async function removeSchedules(
  machine: Machine,
): Promise<readonly (Scheduler | "service")[]> {
  const found = await findSchedules(machine);
  const { units, service, crontab, lines } = found;
  assertRead(found, { units: true, crontab: (units ?? service) === undefined }, machine);
  if (service !== undefined) await removeRunUnit(machine);
  if (units !== undefined) await removeUnits(machine);
  const others = (crontab ?? []).filter((line) => !isOurs(line));
  if (lines.length > 0) await writeCrontab(others, machine);
  return [
    ...(service === undefined ? [] : (["service"] as const)),
    ...(units === undefined ? [] : (["systemd"] as const)),
    ...(lines.length === 0 ? [] : (["cron"] as const)),
  ];
}
