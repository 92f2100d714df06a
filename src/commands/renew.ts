import { namedCertificates, renewPass } from "../renew/pass.ts";
import { reportRenewals } from "../renew/report.ts";
import { longestJitter, passFlags } from "../options/renew.ts";
import { openFolderStore } from "../store/folder.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "renew",
  summary: "Renew what is due; what cron runs",
  description:
    "Due is what the CA's renewal information (ARI) says, else when a third of the lifetime is left. One failure never stops the others, and failures back off: 1 minute, 10, 100, then daily.",
  examples: ["acmectl renew -q", "acmectl renew shop --force", "acmectl renew --json"],
  arguments: [
    { usage: "[name...]", description: "only these certificates; all of them when absent" },
  ],
  options: passFlags,
  async run(flags, context) {
    const store = openFolderStore(context.stateFolder, context);
    const certificates = await namedCertificates(context.args, store);
    const renewals = await renewPass(
      certificates,
      {
        force: flags.force === true,
        max: flags.max ?? Number.POSITIVE_INFINITY,
        concurrency: flags.concurrency,
        jitter: flags.jitter && !context.interactive ? longestJitter : 0,
      },
      context,
      {
        store,
        timeouts: flags.wait ? {} : { lock: 0 },
        deploy: () => Promise.resolve(undefined),
      },
    );
    return reportRenewals(renewals, flags.detailedExitcode === true, context.clock.now());
  },
});
