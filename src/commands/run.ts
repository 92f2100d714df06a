import type { Context } from "../context.ts";
import { passFlags } from "../options/declared/pass.ts";
import { listenFlags, respondFlags } from "../options/declared/respond.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { Problem } from "../problem.ts";
import type { Result } from "../result.ts";
import { applyPass } from "../renew/apply.ts";
import type { RenewOptions } from "../renew/renew.ts";
import { reportRenewals, withFiles } from "../renew/report.ts";
import { defineCommand } from "./command.ts";

const options = {
  once: { type: "boolean", description: "Make one pass and exit, with the exit codes of renew." },
  respond: {
    type: "boolean",
    description: "Answer challenges from the state too, as acmectl respond does.",
  },
  ...listenFlags,
  ...respondFlags,
  max: passFlags.max,
  concurrency: passFlags.concurrency,
  detailedExitcode: passFlags.detailedExitcode,
} as const satisfies OptionDeclarations;

export const command = defineCommand({
  name: "run",
  summary:
    "Run as a service in the foreground: apply the config, renew, and wait for the next time",
  description:
    "Does what `acmectl apply` does whenever a certificate is due, for systemd and containers, instead of a schedule. Reads the config again when the file changes or on SIGHUP; a config that cannot be used is reported and the one in force stays. SIGTERM ends it: what is under way is cleaned up, and an unfinished order is resumed by the next run.",
  examples: [
    "acmectl run",
    "acmectl run --listen 127.0.0.1:9402",
    "acmectl run --once --detailed-exitcode",
  ],
  options,
  // The service sends them itself, after each pass.
  notifies: ({ once }) => once === true,
  async run(flags, context): Promise<Result> {
    const { doorsOf, openDoors } = await import("../run/doors.ts");
    for (const flag of ["http", "tls"]) assertRespond(flag, flags.respond === true, context);
    const { max = Number.POSITIVE_INFINITY, concurrency } = flags;
    const pass = { force: false, max, concurrency, every: 0, jitter: false };
    const doors = doorsOf(flags, flags.respond === true ? flags : {}, context);
    if (flags.once !== true) {
      const { serve } = await import("../run/service.ts");
      return serve({ pass, doors }, context);
    }
    const opened = await openDoors(doors, () => ({}), context);
    try {
      return await passOnce(pass, flags.detailedExitcode === true, context);
    } finally {
      await opened.close();
    }
  },
});

function assertRespond(option: string, isGiven: boolean, { sourceOf }: Context): void {
  const from = sourceOf(option);
  if (isGiven || from === "not given" || from === "default") return;
  throw new Problem("usage", {
    detail: `${from} is for --respond.`,
    hint: "Add --respond, or leave it out.",
  });
}

async function passOnce(pass: RenewOptions, detailed: boolean, context: Context): Promise<Result> {
  const store = await context.store();
  const { renewals } = await applyPass(() => Promise.resolve(pass), context, { store });
  const shown = await withFiles(renewals, store, context);
  return reportRenewals(shown, { detailed }, context.clock.now());
}
