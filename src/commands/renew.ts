import { storedCertificates } from "../status/certificates.ts";
import { renewPass } from "../renew/pass.ts";
import { reportRenewals } from "../renew/report.ts";
import { passFlags, passOptions } from "../options/declared/pass.ts";
import { Problem } from "../problem.ts";
import type { Store, StoredCertificate } from "../state/store.ts";
import { openDryRun, openRealRun, type Run } from "../issuer/dry-run.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "renew",
  summary: "Renew due certificates; run this from cron or a systemd timer",
  description:
    "A certificate is due when the CA's renewal information (ARI) says so, else when a third of its lifetime is left. A failure never stops the others; failures back off: 1, 10, 100 minutes, then daily.",
  examples: ["acmectl renew -q", "acmectl renew shop --force", "acmectl renew --json"],
  arguments: [{ usage: "[name...]", description: "only these certificates; default: all" }],
  options: {
    ...passFlags,
    dryRun: {
      type: "boolean",
      description: "Rehearse with the CA's staging environment, or the embedded CA; keep nothing.",
    },
  },
  async run(flags, context) {
    const dryRun = flags.dryRun === true;
    await using pass = await (dryRun ? openDryRun : openRealRun)(context);
    const store = await context.store();
    const named = await storedCertificates(store, context.args);
    if ((await store.certificates.names()).length === 0) throw nothingKept(store);
    const renewals = await renewPass(
      dryRun
        ? { ...named, certificates: named.certificates.map((one) => rehearsalOf(one, pass)) }
        : named,
      passOptions(flags, context),
      context,
      {
        store: pass.store,
        lockTimeout: flags.wait ? undefined : 0,
        local: { folder: pass.folder },
        dryRun,
      },
    );
    const detailed = flags.detailedExitcode === true;
    return reportRenewals(renewals, { detailed, dryRun }, context.clock.now());
  },
});

/** A timer that looks in the wrong place must not be silent about it. */
function nothingKept({ where }: Store): Problem {
  return new Problem("usage", {
    title: "Nothing to renew",
    detail: `There are no certificates in ${where}.`,
    hint: "Run this as the user who issued them, or give their folder with --state DIR (is its disk mounted?). To get a first one: acmectl issue -d NAME.",
  });
}

/** The same request as if nothing had been issued yet. */
function rehearsalOf({ name, request }: StoredCertificate, pass: Run): StoredCertificate {
  return { name, request: pass.requestOf(request), status: { failures: 0 } };
}
