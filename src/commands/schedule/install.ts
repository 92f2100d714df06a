import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { OptionDeclarations, OptionsOf } from "../../options/declaration.ts";
import { Problem } from "../../problem.ts";
import type { Block, Result } from "../../result.ts";
import type { Job } from "../../schedule/job.ts";
import { type Machine, thisMachine } from "../../schedule/machine.ts";
import {
  type Installation,
  installSchedule,
  type Plan,
  schedulers,
} from "../../schedule/schedule.ts";
import { unitPaths } from "../../schedule/systemd.ts";
import { storedCertificates } from "../../status/certificates.ts";
import type { Context } from "../../context.ts";
import { defineCommand } from "../command.ts";
import { messageOf } from "../../errors.ts";

const options = {
  by: {
    type: "string",
    choices: schedulers,
    description: "Use this scheduler; systemd where it runs, else cron, when absent.",
    placeholder: "SCHEDULER",
  },
  envFile: {
    type: "path",
    description:
      "A file with variables for the runs, one NAME=value a line, such as solvers' credentials.",
    placeholder: "FILE",
  },
  writable: {
    type: "list",
    description:
      "A folder outside of /etc, /run, /srv and /var that deploy steps and hooks write to; systemd keeps the rest read-only.",
    placeholder: "DIR",
  },
  force: {
    type: "boolean",
    description:
      "Install though a renewal that was set up by hand exists, or acmectl lies in a temporary folder.",
  },
  dryRun: { type: "boolean", description: "Print what would be installed; change nothing." },
} as const satisfies OptionDeclarations;

type Flags = OptionsOf<typeof options>;

export const command = defineCommand({
  name: "schedule install",
  summary: "Run `acmectl renew` twice a day from now on",
  description:
    "By a systemd timer where systemd runs, else by a line in the crontab; for root, or for the user who runs this. Twice is the same as once: there is only ever one schedule, and it keeps its times.",
  examples: [
    "acmectl schedule install",
    "acmectl schedule install --dry-run",
    "acmectl schedule install --by cron --env-file /etc/acmectl/environment",
  ],
  options,
  async run(flags, context) {
    const machine = thisMachine(context);
    const job = await jobOf(flags, machine, context);
    const writable = [...(flags.writable ?? []), ...(await foldersOf(context))];
    const installation = await installSchedule(
      job,
      {
        by: flags.by,
        force: flags.force === true,
        dryRun: flags.dryRun === true,
        writable: [...new Set(writable)].toSorted(),
      },
      machine,
    );
    warnOfVariables(flags, context);
    return present(installation, machine);
  },
});

async function jobOf({ envFile }: Flags, { program }: Machine, context: Context): Promise<Job> {
  if (envFile !== undefined) await checkEnvFile(envFile, context);
  const { configPath, stateFolder } = context;
  const isNamed = context.sourceOf("config") !== "not given";
  // A config that is named and cannot be used would fail every run at night: it fails now.
  await context.config();
  return {
    program,
    stateFolder,
    ...(isNamed || existsSync(configPath) ? { configPath } : {}),
    ...(envFile === undefined ? {} : { envFile }),
  };
}

async function checkEnvFile(path: string, { log }: Context): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new Problem("usage", {
      detail: `--env-file: ${path} cannot be read: ${messageOf(cause)}`,
      hint: "Write it first, one NAME=value a line, with mode 0600.",
      cause,
    });
  });
  if ((found.mode & 0o077) !== 0) {
    log.warn(`${path} can be read by others: chmod 600 ${path}`, { step: "schedule" });
  }
}

/** Where the certificates held want copies, and where their web roots are. */
async function foldersOf(context: Context): Promise<readonly string[]> {
  const { certificates } = await storedCertificates(await context.store());
  return certificates.flatMap(({ request: { outputs, solvers } }) => {
    const copies = Object.values(outputs).flatMap((path?: string) =>
      path === undefined ? [] : [dirname(path)],
    );
    const roots = solvers.map(({ options }) => options["directory"]);
    return [...copies, ...roots.filter((root) => typeof root === "string")];
  });
}

/** What is set in this shell is not set when the scheduler runs. */
function warnOfVariables({ envFile }: Flags, { env, log }: Context): void {
  const carried = new Set(["ACMECTL_STATE", "ACMECTL_CONFIG"]);
  const lost = Object.keys(env).filter((name) => name.startsWith("ACMECTL_") && !carried.has(name));
  if (lost.length === 0 || envFile !== undefined) return;
  log.warn(
    `${lost.toSorted().join(", ")} ${lost.length === 1 ? "is" : "are"} set here and will not be when the scheduler runs: put what a renewal needs into the config, or into a file for --env-file`,
    { step: "schedule" },
  );
}

function present({ plan, outcome }: Installation, machine: Machine): Result {
  const document = { outcome, by: plan.by, ...partsOf(plan, machine) };
  if (outcome === "dry-run") return { exitCode: 0, document, view: textsOf(plan, machine) };
  const where = plan.by === "cron" ? "the crontab" : unitPaths(machine).timer;
  const text = {
    installed: `acmectl renew runs twice a day from now on, by ${where}.`,
    replaced: `The schedule was brought up to date: acmectl renew runs twice a day, by ${where}.`,
    unchanged: `acmectl renew runs twice a day already, by ${where}; nothing was done.`,
  }[outcome];
  const linger: readonly Block[] =
    plan.by === "systemd" && machine.uid !== 0
      ? [
          {
            kind: "line",
            text: "A user's timer runs only while the user is logged in, unless lingering is on: loginctl enable-linger",
            tone: "warn",
          },
        ]
      : [];
  return { exitCode: 0, document, view: [{ kind: "line", text, tone: "good" }, ...linger] };
}

function partsOf(plan: Plan, machine: Machine): Record<string, unknown> {
  if (plan.by === "cron") return { line: plan.line };
  const paths = unitPaths(machine);
  return {
    files: [
      { path: paths.timer, content: plan.units.timer },
      { path: paths.service, content: plan.units.service },
    ],
  };
}

function textsOf(plan: Plan, machine: Machine): readonly Block[] {
  if (plan.by === "cron") return [{ kind: "verbatim", text: `${plan.line}\n` }];
  const paths = unitPaths(machine);
  return [
    { kind: "verbatim", text: `# ${paths.timer}\n${plan.units.timer}\n` },
    { kind: "verbatim", text: `# ${paths.service}\n${plan.units.service}` },
  ];
}
