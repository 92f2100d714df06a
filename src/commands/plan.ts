import { composeConfigured } from "../request/compose.ts";
import { warnOfRareSchedule } from "../schedule/interval.ts";
import { planOf } from "../status/plan.ts";
import { wantedCertificates } from "../status/certificates.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "plan",
  summary: "Show what apply and renew would do now, and why; offline",
  options: {
    prune: {
      type: "boolean",
      description: "Include certificates that apply --prune would remove.",
    },
    detailedExitcode: { type: "boolean", description: "Exit with 10 if there is something to do." },
  },
  async run(flags, context) {
    const store = await context.store();
    const wanted = await wantedCertificates(await composeConfigured(await context.config()), store);
    const held = wanted.certificates.flatMap((one) => one.held ?? []);
    await warnOfRareSchedule(held, context);
    const options = { prune: flags.prune === true, detailed: flags.detailedExitcode === true };
    return planOf(wanted, options, context.clock.now());
  },
});
