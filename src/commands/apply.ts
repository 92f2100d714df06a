import { composeConfigured } from "../issue/compose-config.ts";
import { passFlags, passOptions } from "../options/renew.ts";
import { renewPass } from "../renew/pass.ts";
import { reportRenewals } from "../renew/report.ts";
import { wantedCertificates } from "../renew/wanted.ts";
import type { Block } from "../result.ts";
import { openFolderStore } from "../store/folder.ts";
import type { Store, StoredCertificate } from "../store/store.ts";
import { defineCommand, type CommandContext } from "./command.ts";

export const command = defineCommand({
  name: "apply",
  summary:
    "Make what is held match the config: issue the missing, re-issue the changed, renew the due",
  description:
    "What the config has no more is told, and removed with --prune. `acmectl plan` shows beforehand what would be done.",
  options: {
    ...passFlags,
    prune: {
      type: "boolean",
      description: "Remove certificates that came from the config and are there no more.",
    },
  },
  async run(flags, context) {
    const store = openFolderStore(context.stateFolder, context);
    const requests = await composeConfigured(await context.config());
    const { certificates, orphans } = await wantedCertificates(requests, store);
    // A request is remembered before it is tried, so that `renew` goes on with it whatever happens here.
    for (const { request } of certificates)
      if (request.fromConfig === true) await store.certificates.saveRequest(request);
    const renewals = await renewPass(certificates, passOptions(flags, context), context, {
      store,
      timeouts: flags.wait ? {} : { lock: 0 },
      dryRun: false,
    });
    const report = reportRenewals(
      renewals,
      { detailed: flags.detailedExitcode === true },
      context.clock.now(),
    );
    return {
      ...report,
      view: [...report.view, ...(await settle(orphans, flags.prune === true, store, context))],
    };
  },
});

async function settle(
  orphans: readonly StoredCertificate[],
  prune: boolean,
  store: Store,
  { signal }: CommandContext,
): Promise<readonly Block[]> {
  const lines: Block[] = [];
  for (const { name } of orphans) {
    if (!prune) {
      lines.push({
        kind: "line",
        tone: "warn",
        text: `${name} is held, and the config has it no more; --prune removes it.`,
      });
      continue;
    }
    const lock = await store.lock(`certificate:${name}`, { wait: 0, signal });
    try {
      await store.certificates.remove(name);
      lines.push({ kind: "line", text: `Removed ${name}, which the config has no more.` });
    } finally {
      await lock.release();
    }
  }
  return lines;
}
