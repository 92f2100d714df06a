import type { renewPass } from "../renew/pass.ts";
import { createLimit } from "../limit.ts";
import { composeConfigured } from "../request/configured.ts";
import { passFlags, passOptions } from "../options/declared/pass.ts";
import { idleRenewals, needsInterval } from "../renew/idle.ts";
import { intervalHere, warnOfRareSchedule } from "../schedule/interval.ts";
import { reportRenewals, withFiles } from "../renew/report.ts";
import { wantedCertificates, type KnownCertificate } from "../status/certificates.ts";
import { driftOf } from "../request/drift.ts";
import { type Block, line } from "../result.ts";
import type { Store, StoredCertificate } from "../state/store.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "./command.ts";
import { removeCertificate } from "./delete.ts";

export const command = defineCommand({
  name: "apply",
  summary: "Make certificates match the config: issue missing, re-issue changed, renew due ones",
  description:
    "Certificates that are no longer in the config are reported, and removed with --prune. Run `acmectl plan` to see what would be done.",
  options: {
    ...passFlags,
    prune: {
      type: "boolean",
      description: "Remove certificates that are no longer in the config.",
    },
  },
  notifies: () => true,
  async run(flags, context) {
    const store = await context.store();
    const configured = await composeConfigured(await context.config());
    const { certificates, orphans, broken } = await wantedCertificates(configured, store);
    const limit = createLimit(flags.concurrency);
    await Promise.all(certificates.map((one) => limit(() => remember(one, store))));
    const lockTimeout = flags.wait ? undefined : 0;
    const tools = { store, lockTimeout, dryRun: false };
    const isNeeded = needsInterval(certificates, context.clock.now());
    const every = flags.every ?? (isNeeded ? await intervalHere(context) : 0);
    const options = passOptions(flags, context, every);
    const wanted = { certificates, broken };
    const idle = await idleRenewals(wanted, options, store, context.clock.now());
    const renewals = idle ?? (await openPass(wanted, options, context, tools));
    await warnOfRareSchedule(
      renewals.flatMap((one) => one.held ?? []),
      context,
    );
    const detailed = flags.detailedExitcode === true;
    const shown = await withFiles(renewals, store, context);
    const report = reportRenewals(shown, { detailed }, context.clock.now());
    const settled = await settle(orphans, flags.prune === true, store, context);
    return { ...report, view: [...report.view, ...settled] };
  },
});

/** What talks to CAs is loaded only where there may be something to do. */
const openPass: typeof renewPass = async (...args) =>
  (await import("../renew/pass.ts")).renewPass(...args);

/** For later renewals. A request for another certificate is remembered only once it is issued: until then the old one is renewed. */
async function remember(
  { request, held, changed, isRemembered = false }: KnownCertificate,
  store: Store,
): Promise<void> {
  const drifts = held !== undefined && (driftOf(request, held) ?? changed) !== undefined;
  if (request.fromConfig !== true || drifts || isRemembered) return;
  await store.certificates.saveRequest(request);
}

async function settle(
  orphans: readonly StoredCertificate[],
  prune: boolean,
  store: Store,
  { signal }: Context,
): Promise<readonly Block[]> {
  if (!prune)
    return orphans.map(({ name }) =>
      line(`${name} is no longer in the config; --prune removes it.`, "warn"),
    );
  const lines: Block[] = [];
  for (const { name } of orphans) {
    const left = await removeCertificate(name, store, signal);
    lines.push(line(`Removed ${name}: it is not in the config any more.`));
    lines.push(
      ...left.map((text) => line(`Remove this TLSA record from the DNS: ${text}`, "warn")),
    );
  }
  return lines;
}
