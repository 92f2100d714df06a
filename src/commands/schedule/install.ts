import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { OptionDeclarations, OptionsOf } from "../../options/declaration.ts";
import { line, type Result, verbatim } from "../../result.ts";
import { durationOf } from "../../dates.ts";
import { listenFlags } from "../../options/declared/respond.ts";
import { Problem } from "../../problem.ts";
import {
  intervalFor,
  parsedInterval,
  rareWarning,
  slowWarning,
  writtenInterval,
} from "../../schedule/interval.ts";
import type { Job } from "../../schedule/job.ts";
import { type Machine, thisMachine } from "../../schedule/machine.ts";
import { type Installation, installSchedule, schedulers } from "../../schedule/schedule.ts";
import { installService, type ServiceInstallation } from "../../schedule/service.ts";
import { unitPaths } from "../../schedule/systemd.ts";
import { intervals } from "../../schedule/times.ts";
import { storedCertificates } from "../../status/certificates.ts";
import type { StoredCertificate } from "../../state/store.ts";
import type { Context } from "../../context.ts";
import { defineCommand } from "../command.ts";

const options = {
  by: {
    type: "string",
    choices: schedulers,
    description: "Scheduler to use. Default: systemd where it runs, else cron.",
    placeholder: "SCHEDULER",
  },
  every: {
    type: "string",
    choices: intervals.map(writtenInterval),
    description:
      "Interval of the runs. Default: short enough for the shortest certificate lifetime.",
    placeholder: "TIME",
  },
  jitter: {
    type: "boolean",
    default: true,
    description: "Wait a random time of up to 8 minutes before renewals.",
  },
  // Not --env-file, which Node.js itself reads anywhere in the line.
  environmentFile: {
    type: "string",
    description:
      "File with environment variables for the runs, one NAME=value a line; none removes it.",
    placeholder: "FILE",
  },
  writable: {
    type: "list",
    description:
      "Folder outside /etc, /run, /srv and /var that deploy steps and hooks may write to.",
    placeholder: "DIR",
  },
  service: {
    type: "boolean",
    description: "Install `acmectl run` as a service of systemd, instead of a schedule.",
  },
  listen: listenFlags.listen,
  force: {
    type: "boolean",
    description: "Install despite a renewal set up by hand, or acmectl in a temporary folder.",
  },
  dryRun: { type: "boolean", description: "Print what would be installed; change nothing." },
} as const satisfies OptionDeclarations;

type Flags = OptionsOf<typeof options>;

export const command = defineCommand({
  name: "schedule install",
  summary: "Renew certificates regularly, by systemd or cron",
  description:
    "Uses a systemd timer where systemd runs, else a crontab line, for root or the current user. Runs every six hours, and more often for certificates that live less than three days. Installing again updates the one schedule and keeps its times. With --service, `acmectl run` is installed instead, which works when something is due.",
  examples: [
    "acmectl schedule install",
    "acmectl schedule install --dry-run",
    "acmectl schedule install --every 1h",
    "acmectl schedule install --service --listen 127.0.0.1:9402",
    "acmectl schedule install --by cron --environment-file /etc/acmectl/environment",
  ],
  options,
  async run(flags, context) {
    const machine = thisMachine(context);
    const job = await jobOf(flags, machine, context);
    const { certificates } = await storedCertificates(await context.store());
    const held = certificates.flatMap((one) => one.held ?? []);
    const folders = [...(flags.writable ?? []), ...foldersOf(certificates)];
    const both = {
      force: flags.force === true,
      dryRun: flags.dryRun === true,
      keepEnvironmentFile: flags.environmentFile !== "none",
      writable: [...new Set(folders)].toSorted(),
    };
    assertTogether(flags, context);
    if (flags.service === true) {
      const installed = await installService(job, { ...both, listen: flags.listen ?? [] }, machine);
      warnOfVariables(installed, context);
      return presentService(installed, machine);
    }
    const wishes = {
      ...both,
      by: flags.by,
      every: flags.every === undefined ? undefined : parsedInterval(flags.every),
      needed: intervalFor(held),
    };
    const installation = await installSchedule(job, wishes, machine);
    const { every } = installation;
    const warning = rareWarning(every, held) ?? slowWarning(every);
    if (warning !== undefined) context.log.warn(warning, { step: "schedule" });
    warnOfVariables(installation, context);
    return present(installation, machine);
  },
});

/** The service has no times, and a schedule no health checks. */
function assertTogether({ service }: Flags, { sourceOf }: Context): void {
  const others = service === true ? ["by", "every", "jitter"] : ["listen"];
  const given = others.map(sourceOf).find((from) => !["not given", "default"].includes(from));
  if (given === undefined) return;
  throw new Problem("usage", {
    detail:
      service === true
        ? `${given} is for a schedule, and --service installs none.`
        : `${given} is for --service.`,
    hint: service === true ? "Leave it out." : "Add --service, or leave it out.",
  });
}

async function jobOf(
  { environmentFile, jitter }: Flags,
  { program }: Machine,
  context: Context,
): Promise<Job> {
  const { configPath } = context;
  const isNamed = context.sourceOf("config") !== "not given";
  const named = environmentFile === "none" ? undefined : environmentFile;
  // A config that cannot be used would fail every run.
  await context.config();
  return {
    program,
    statePlace: await context.statePlace(),
    stateFolder: await context.stateFolder(),
    stateArguments: await context.stateArguments(),
    configPath: isNamed || existsSync(configPath) ? configPath : undefined,
    environmentFile: named === undefined ? undefined : resolve(context.cwd, named),
    jitter,
  };
}

/** The folders of their copies and web roots. */
function foldersOf(certificates: readonly StoredCertificate[]): readonly string[] {
  return certificates.flatMap(({ request: { outputs, solvers } }) => {
    const copies = Object.values(outputs).flatMap((path?: string) => path ?? []);
    const roots = solvers.map(({ options }) => options["directory"]);
    return [...copies.map(dirname), ...roots.filter((root) => typeof root === "string")];
  });
}

/** Variables of this shell are not set when the scheduler runs. */
function warnOfVariables(
  { environmentFile }: Pick<Installation, "environmentFile">,
  { env, log }: Context,
): void {
  const carried = new Set(["ACMECTL_STATE", "ACMECTL_CONFIG"]);
  const lost = Object.keys(env).filter((name) => name.startsWith("ACMECTL_") && !carried.has(name));
  if (lost.length === 0 || environmentFile !== undefined) return;
  log.warn(
    `${lost.toSorted().join(", ")} ${lost.length === 1 ? "is" : "are"} set here but not when the scheduler runs: put what a renewal needs into the config, or into a file for --environment-file`,
    { step: "schedule" },
  );
}

function present({ plan, every, outcome }: Installation, machine: Machine): Result {
  const { by } = plan;
  const paths = unitPaths(machine);
  const kinds = ["timer", "service"] as const;
  const files =
    by === "cron" ? [] : kinds.map((kind) => ({ path: paths[kind], content: plan.units[kind] }));
  const parts = by === "cron" ? { line: plan.line } : { files };
  const document = { outcome, by, every: writtenInterval(every), ...parts };
  if (outcome === "dry-run") {
    const texts =
      by === "cron" ? [plan.line] : files.map(({ path, content }) => `# ${path}\n${content}`);
    return { document, view: [verbatim(texts.join("\n"))] };
  }
  const where = by === "cron" ? "the crontab" : paths.timer;
  const runs = `renewals run every ${durationOf(every * 60_000)}, by ${where}`;
  const text = {
    installed: `Installed the schedule: ${runs}.`,
    replaced: `Updated the schedule: ${runs}.`,
    unchanged: `The schedule is up to date: ${runs}.`,
  }[outcome];
  const linger =
    "A user's timer runs only while the user is logged in. To run it always: loginctl enable-linger";
  const warnings = by === "systemd" && machine.uid !== 0 ? [line(linger, "warn")] : [];
  return { document, view: [line(text, "good"), ...warnings] };
}

function presentService({ path, unit, outcome }: ServiceInstallation, machine: Machine): Result {
  const files = [{ path, content: unit }];
  const document = { outcome, by: "systemd", service: true, files };
  if (outcome === "dry-run") return { document, view: [verbatim(`# ${path}\n${unit}`)] };
  const text = {
    installed: `Installed and started the service ${path}.`,
    replaced: `Updated and restarted the service ${path}.`,
    unchanged: `The service ${path} is up to date and runs.`,
  }[outcome];
  const linger =
    "A user's service runs only while the user is logged in. To run it always: loginctl enable-linger";
  return {
    document,
    view: [line(text, "good"), ...(machine.uid === 0 ? [] : [line(linger, "warn")])],
  };
}
