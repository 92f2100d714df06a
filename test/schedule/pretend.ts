/** A machine with systemd and cron that are only pretended, in a folder of its own. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Job } from "../../src/schedule/job.ts";
import type { Machine } from "../../src/schedule/machine.ts";
import { type InstallOptions, installSchedule } from "../../src/schedule/schedule.ts";
import { recordingLog } from "../../src/testing.ts";
import { testClock } from "../support/clock.ts";
import { schedulerPath } from "../support/scheduled.ts";
import { temporaryFolder } from "../support/state.ts";

export async function pretend(changes: Partial<Machine> = {}) {
  const folder = await temporaryFolder();
  const log = recordingLog();
  const machine: Machine = {
    uid: 0,
    env: { HOME: folder.path, PATH: schedulerPath },
    log,
    clock: testClock(new Date(2026, 10, 22, 10, 0)),
    signal: new AbortController().signal,
    systemd: true,
    unitFolder: join(folder.path, "units"),
    packagedUnitFolder: join(folder.path, "packaged"),
    systemCrontabs: [join(folder.path, "crontab.system"), join(folder.path, "cron.d")],
    program: { node: "/usr/bin/node", nodeOptions: [], script: "/usr/lib/acmectl/bin/acmectl.js" },
    temporaryFolders: ["/tmp"],
    random: () => 0.3,
    ...changes,
  };
  const job: Job = {
    program: machine.program,
    stateFolder: "/var/lib/acmectl",
    configPath: "/etc/acmectl/config.yaml",
    jitter: true,
  };
  const install = (options: Partial<InstallOptions> = {}, of: Partial<Job> = {}) =>
    installSchedule(
      { ...job, ...of },
      { force: false, dryRun: false, writable: [], needed: 720, ...options },
      machine,
    );
  const text = (name: string) => readFile(join(folder.path, name), "utf8").catch(() => undefined);
  const put = (name: string, content: string) => writeFile(join(folder.path, name), content);
  return {
    machine,
    job,
    said: () => log.entries.map(({ message }) => message).join("\n"),
    install,
    text,
    put,
    folder: folder.path,
    units: async () =>
      (await readdir(machine.unitFolder).catch((): string[] => [])).toSorted((a, b) =>
        a.localeCompare(b),
      ),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
