import { access, constants, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf, systemReason } from "../errors.ts";
import { Problem } from "../problem.ts";
import { type Machine, runProgram } from "./machine.ts";
import { unitMark, unitName } from "./units.ts";

export interface Units {
  readonly timer: string;
  readonly service: string;
}

/** Where the units are, whether they exist or not. */
export function unitPaths({ unitFolder }: Pick<Machine, "unitFolder">): Units {
  const at = (kind: string) => join(unitFolder, `${unitName}.${kind}`);
  return { timer: at("timer"), service: at("service") };
}

/** The texts of the units; undefined when there are none. Units of the same name that are not ours are a Problem. */
export async function readUnits(machine: Pick<Machine, "unitFolder">): Promise<Units | undefined> {
  const paths = unitPaths(machine);
  const [timer, service] = await Promise.all([readUnit(paths.timer), readUnit(paths.service)]);
  if (timer === undefined && service === undefined) return undefined;
  return { timer: timer ?? "", service: service ?? "" };
}

async function readUnit(path: string): Promise<string | undefined> {
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
export async function assertInstallable(machine: Machine): Promise<void> {
  await assertWritable(machine.unitFolder);
  await systemctl(["show", `${unitName}.timer`, "--property=ActiveState"], machine);
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
  await mkdir(machine.unitFolder, { recursive: true }).catch((error: unknown) => {
    throw refused("made", machine.unitFolder, error);
  });
  await replaceFile(paths.service, units.service);
  await replaceFile(paths.timer, units.timer);
  await systemctl(["daemon-reload"], machine);
  await systemctl(["enable", `${unitName}.timer`], machine);
  // A timer that runs keeps its old times until it is restarted.
  await systemctl(["restart", `${unitName}.timer`], machine);
}

/** Stops the timer and removes the units. A renewal that is running continues. */
export async function removeUnits(machine: Machine): Promise<void> {
  const paths = unitPaths(machine);
  await systemctl(["disable", "--now", `${unitName}.timer`], machine);
  await rm(paths.timer, { force: true });
  await rm(paths.service, { force: true });
  await systemctl(["daemon-reload"], machine);
}

/** The state of the timer; empty where systemd cannot be asked. */
export async function timerState(machine: Machine): Promise<Readonly<Record<string, string>>> {
  const properties = "ActiveState,UnitFileState,NextElapseUSecRealtime,LastTriggerUSec";
  const words = [...scope(machine), "show", `${unitName}.timer`, `--property=${properties}`];
  const ended = await runProgram("systemctl", words, machine);
  const lines = ended?.code === 0 ? ended.stdout.split("\n") : [];
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

/** True when the timer waits for its time, and will after a restart. */
export async function isRunning(machine: Machine): Promise<boolean> {
  const { ActiveState: active, UnitFileState: enabled } = await timerState(machine);
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
        ? "Look at `systemctl status acmectl-renew.timer`, or use cron: acmectl schedule install --by cron."
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
