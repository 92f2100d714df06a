import { storedCertificates } from "../status/certificates.ts";
import { renewPass } from "../renew/pass.ts";
import { reportRenewals } from "../renew/report.ts";
import { passFlags, passOptions } from "../options/declared/pass.ts";
import { openFolderStore } from "../state/folder/folder.ts";
import { Problem } from "../problem.ts";
import type { StoredCertificate } from "../state/store.ts";
import { openDryRun, openRealRun, type Run } from "../issue/dry-run.ts";
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
  options: {
    ...passFlags,
    dryRun: {
      type: "boolean",
      description:
        "Try all of them with their CAs' staging environments, or the embedded CA where there is none; keep nothing.",
    },
  },
  async run(flags, context) {
    const dryRun = flags.dryRun === true;
    await using pass = await (dryRun ? openDryRun : openRealRun)(context.stateFolder, context);
    const named = await storedCertificates(
      openFolderStore(context.stateFolder, context),
      context.args,
    );
    if (named.certificates.length + named.broken.length === 0)
      throw nothingKept(context.stateFolder);
    const renewals = await renewPass(
      dryRun
        ? { ...named, certificates: named.certificates.map((one) => rehearsalOf(one, pass)) }
        : named,
      passOptions(flags, context),
      context,
      { store: pass.store, timeouts: flags.wait ? {} : { lock: 0 }, dryRun },
    );
    const detailed = flags.detailedExitcode === true;
    return reportRenewals(renewals, { detailed, dryRun }, context.clock.now());
  },
});

/** A timer that renews nothing because it looks in the wrong place must not be silent about it. */
function nothingKept(stateFolder: string): Problem {
  return new Problem("usage", {
    title: "Nothing to renew",
    detail: `No certificates are kept in ${stateFolder}.`,
    hint: "Run it as the user who issued them, or give their folder with --state DIR (is its disk mounted?). The first one comes by acmectl issue -d NAME.",
  });
}

/** The same request as if nothing were held yet. */
function rehearsalOf({ name, request }: StoredCertificate, pass: Run): StoredCertificate {
  return { name, request: pass.requestOf(request), status: { failures: 0 } };
}
