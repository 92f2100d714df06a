import { access, constants, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf, systemReason } from "../errors.ts";
import { Problem } from "../problem.ts";
import { type Machine, runProgram } from "./machine.ts";
import { runUnitName, unitMark, unitName } from "./units.ts";

export interface Units {
  readonly timer: string;
  readonly service: string;
}

/** Where the units are, whether they exist or not. */
export function unitPaths({ unitFolder }: Pick<Machine, "unitFolder">): Units {
  const at = (kind: string) => join(unitFolder, `${unitName}.${kind}`);
  return { timer: at("timer"), service: at("service") };
}

/** Where the unit of `acmectl run` is, whether it exists or not. */
export function runUnitPath({ unitFolder }: Pick<Machine, "unitFolder">): string {
  return join(unitFolder, `${runUnitName}.service`);
}

/** The texts of the units; undefined when there are none. Units of the same name that are not ours are a Problem. */
export async function readUnits(machine: Pick<Machine, "unitFolder">): Promise<Units | undefined> {
  const paths = unitPaths(machine);
  const [timer, service] = await Promise.all([readUnit(paths.timer), readUnit(paths.service)]);
  if (timer === undefined && service === undefined) return undefined;
  return { timer: timer ?? "", service: service ?? "" };
}

/** Undefined when it does not exist; one that is not ours is a Problem. */
export async function readUnit(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw refused("read", path, error);
  });
  if (text === undefined || text.startsWith(unitMark)) return text;
  throw new Problem("machine", {
    detail: `${path} was not written by acmectl, or was changed later.`,
    hint: "Move it elsewhere, then try again.",
  });
}

/** Throws the Problem that `installUnits` would meet: a folder that cannot be written, or no session of a user's systemd. */
export async function assertInstallable(unit: string, machine: Machine): Promise<void> {
  await assertWritable(machine.unitFolder);
  await systemctl(["show", unit, "--property=ActiveState"], machine);
}

async function assertWritable(folder: string): Promise<void> {
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw refused("written", folder, error);
    await assertWritable(dirname(folder));
  }
}

export async function installUnits(units: Units, machine: Machine): Promise<void> {
  const paths = unitPaths(machine);
  const files = [
    [paths.service, units.service],
    [paths.timer, units.timer],
  ] as const;
  await writeAndStart(files, `${unitName}.timer`, machine);
}

export async function installRunUnit(unit: string, machine: Machine): Promise<void> {
  await writeAndStart([[runUnitPath(machine), unit]], `${runUnitName}.service`, machine);
}

async function writeAndStart(
  files: readonly (readonly [path: string, text: string])[],
  started: string,
  machine: Machine,
): Promise<void> {
  await mkdir(machine.unitFolder, { recursive: true }).catch((error: unknown) => {
    throw refused("made", machine.unitFolder, error);
  });
  for (const [path, text] of files) await replaceFile(path, text);
  await systemctl(["daemon-reload"], machine);
  await systemctl(["enable", started], machine);
  // What runs keeps its old settings until it is restarted.
  await systemctl(["restart", started], machine);
}

/** Stops the timer and removes the units. A renewal that is running continues. */
export async function removeUnits(machine: Machine): Promise<void> {
  await stopAndRemove(`${unitName}.timer`, Object.values(unitPaths(machine)), machine);
}

/** Stops the service, which ends what is under way, and removes its unit. */
export async function removeRunUnit(machine: Machine): Promise<void> {
  await stopAndRemove(`${runUnitName}.service`, [runUnitPath(machine)], machine);
}

async function stopAndRemove(
  stopped: string,
  paths: readonly string[],
  machine: Machine,
): Promise<void> {
  await systemctl(["disable", "--now", stopped], machine);
  for (const path of paths) await rm(path, { force: true });
  await systemctl(["daemon-reload"], machine);
}

/** The state of a unit; empty where systemd cannot be asked. */
export async function unitState(
  unit: string,
  machine: Machine,
): Promise<Readonly<Record<string, string>>> {
  const properties = "ActiveState,UnitFileState,StatusText,NextElapseUSecRealtime,LastTriggerUSec";
  const words = [...scope(machine), "show", unit, `--property=${properties}`];
  const ended = await runProgram("systemctl", words, machine);
  const lines = ended?.code === 0 ? ended.stdout.split("\n") : [];
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

/** True when the timer waits for its time, or the service runs, and will after a restart. */
export async function isRunning(unit: string, machine: Machine): Promise<boolean> {
  const { ActiveState: active, UnitFileState: enabled } = await unitState(unit, machine);
  return active === "active" && enabled === "enabled";
}

/** `Mon 2026-11-23 03:27:41 UTC` as a time; undefined for `n/a` and the empty text. */
export function systemdTime(text: string | undefined): Date | undefined {
  const found = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? UTC$/.exec(text ?? "");
  return found === null ? undefined : new Date(`${found[1]}T${found[2]}Z`);
}

async function systemctl(args: readonly string[], machine: Machine): Promise<void> {
  // Without systemd, units may have been left by a restored backup.
  if (!machine.systemd) return;
  const words = [...scope(machine), ...args];
  const ended = await runProgram("systemctl", words, machine);
  if (ended?.code === 0) return;
  throw new Problem("machine", {
    detail: `systemctl ${words.join(" ")} failed: ${ended?.stderr.trim() || "there is no systemctl"}`,
    hint:
      machine.uid === 0
        ? `Look at \`systemctl status ${args.find((word) => word.startsWith("acmectl-")) ?? `${unitName}.timer`}\`, or use cron: acmectl schedule install --by cron.`
        : "A user's systemd needs a session of its own (log in, not su or sudo). Or use cron: acmectl schedule install --by cron.",
  });
}

function scope({ uid }: Pick<Machine, "uid">): readonly string[] {
  return uid === 0 ? [] : ["--user"];
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    await rm(temporary, { force: true });
    await writeFile(temporary, text, { mode: 0o644, flag: "wx" });
    await rename(temporary, path);
  } catch (error) {
    throw refused("written", path, error);
  }
}

function refused(what: string, path: string, cause: unknown): Problem {
  return new Problem("machine", {
    detail: `${path} could not be ${what}: ${systemReason(cause)}`,
    hint: "Check who owns the folder, or use cron: acmectl schedule install --by cron.",
    cause,
  });
}
