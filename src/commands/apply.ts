import { composeConfigured } from "../request/compose-config.ts";
import { passFlags, passOptions } from "../options/declared/pass.ts";
import { renewPass } from "../renew/pass.ts";
import { reportRenewals } from "../renew/report.ts";
import { wantedCertificates, type KnownCertificate } from "../status/certificates.ts";
import { driftOf } from "../request/drift.ts";
import type { Block } from "../result.ts";
import { openFolderStore } from "../state/folder/folder.ts";
import type { Store, StoredCertificate } from "../state/store.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "./command.ts";

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
    const { certificates, orphans, broken } = await wantedCertificates(requests, store);
    for (const certificate of certificates) await remember(certificate, store);
    const renewals = await renewPass(
      { certificates, broken },
      passOptions(flags, context),
      context,
      {
        store,
        timeouts: flags.wait ? {} : { lock: 0 },
        dryRun: false,
      },
    );
    const now = context.clock.now();
    const report = reportRenewals(renewals, { detailed: flags.detailedExitcode === true }, now);
    return {
      ...report,
      view: [...report.view, ...(await settle(orphans, flags.prune === true, store, context))],
    };
  },
});

/**
 * So that `renew` goes on with it. Where another certificate is wanted than the one that is held, the request is remembered once
 * it was granted: until then the one held is kept fresh.
 */
async function remember({ request, held, changed }: KnownCertificate, store: Store): Promise<void> {
  const drifts = held !== undefined && (driftOf(request, held) ?? changed) !== undefined;
  if (request.fromConfig === true && !drifts) await store.certificates.saveRequest(request);
}

async function settle(
  orphans: readonly StoredCertificate[],
  prune: boolean,
  store: Store,
  { signal }: Context,
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
