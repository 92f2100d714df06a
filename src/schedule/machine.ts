import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { Problem } from "../problem.ts";
import type { Log } from "../plugin.ts";
import { installedProgram, type InstalledProgram } from "./job.ts";

/** The machine that a schedule is installed on; tests bring their own. */
export interface Machine {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly systemd: boolean;
  /** Where the units of root, or of this user, are. */
  readonly unitFolder: string;
  /** Where packages of the system have their units for the same systemd. */
  readonly packagedUnitFolder: string;
  /** Crontabs that belong to no user, and folders of such. */
  readonly systemCrontabs: readonly string[];
  readonly program: InstalledProgram;
  /** Folders that are cleaned now and then. */
  readonly temporaryFolders: readonly string[];
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export function thisMachine(
  run: Pick<Machine, "uid" | "env" | "log" | "clock" | "signal">,
): Machine {
  const { uid, env, log, clock, signal } = run;
  return {
    uid,
    env,
    log,
    clock,
    signal,
    systemd: existsSync("/run/systemd/system"),
    unitFolder: unitFolderOf(uid, env),
    packagedUnitFolder: uid === 0 ? "/usr/lib/systemd/system" : "/usr/lib/systemd/user",
    systemCrontabs: ["/etc/crontab", "/etc/cron.d"],
    program: installedProgram(),
    temporaryFolders: [tmpdir(), "/tmp", "/var/tmp"],
    random: Math.random,
  };
}

function unitFolderOf(uid: number, env: Machine["env"]): string {
  if (uid === 0) return "/etc/systemd/system";
  const config = env["XDG_CONFIG_HOME"] ?? join(env["HOME"] ?? "/", ".config");
  return join(config, "systemd", "user");
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of the system without a shell; undefined if it does not exist. Its messages are English, its times UTC. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env, signal }: Pick<Machine, "env" | "signal">,
  input = "",
): Promise<Ended | undefined> {
  const options = {
    env: { ...needed(env), PATH: env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
    timeout: 60_000,
    // `nginx -T` prints the configuration of every site.
    maxBuffer: 16 * 2 ** 20,
    signal,
  };
  return new Promise((resolve, reject) => {
    const child = execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (signal.aborted) reject(signal.reason);
      else if (error.code === "ENOENT") resolve(undefined);
      else if (typeof error.code === "number") resolve({ code: error.code, stdout, stderr });
      else reject(broken(program, args, error));
    });
    // A program that does not read its input ends before all of it is written.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

/** Whose schedule it is. Secrets of solvers are none of these programs' business. */
function needed(env: Machine["env"]): Machine["env"] {
  const names = ["HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"];
  return Object.fromEntries(
    [...names, "DBUS_SESSION_BUS_ADDRESS"].flatMap((name) =>
      env[name] === undefined ? [] : [[name, env[name]]],
    ),
  );
}

function broken(program: string, args: readonly string[], cause: Error): Problem {
  return new Problem("machine", {
    detail: `${[program, ...args].join(" ")} could not be run: ${cause.message}`,
    hint: "Run it by hand as the same user.",
    cause,
  });
}
