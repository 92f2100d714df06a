import { applyPass, idleApply, type Shown } from "../renew/apply.ts";
import { passFlags, passOptions } from "../options/declared/pass.ts";
import { needsInterval } from "../renew/idle.ts";
import { intervalHere, warnOfRareSchedule } from "../schedule/interval.ts";
import { reportRenewals, withFiles } from "../renew/report.ts";
import type { KnownCertificate } from "../status/certificates.ts";
import { type Block, line } from "../result.ts";
import type { Store } from "../state/store.ts";
import type { Context } from "../context.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import { defineCommand } from "./command.ts";

const options = {
  ...passFlags,
  prune: {
    type: "boolean",
    description: "Remove certificates whose entry is gone from the config.",
  },
} as const satisfies OptionDeclarations;

type Flags = OptionsOf<typeof options>;

export const command = defineCommand({
  name: "apply",
  summary: "Make certificates match the config: issue missing, re-issue changed, renew due ones",
  description:
    "Certificates whose entry is gone from the config are reported, and removed with --prune. Run `acmectl plan` to see what apply would do.",
  options,
  notifies: () => true,
  async run(flags, context) {
    const store = await context.store();
    const every = () => intervalHere(context);
    const idle = flags.force === true ? undefined : await idleApply(flags, context, store, every);
    const { renewals, orphans, held } = idle ?? (await applyAll(flags, store, context));
    await warnOfRareSchedule(held, context);
    const detailed = flags.detailedExitcode === true;
    const shown = await withFiles(renewals, store, context);
    const report = reportRenewals(shown, { detailed }, context.clock.now());
    const settled = await settle(orphans, flags.prune === true, store, context);
    return { ...report, view: [...report.view, ...settled] };
  },
});

async function applyAll(flags: Flags, store: Store, context: Context): Promise<Shown> {
  const lockTimeout = flags.wait ? undefined : 0;
  const optionsFor = async (certificates: readonly KnownCertificate[]) => {
    const isNeeded = needsInterval(certificates, context.clock.now());
    const every = flags.every ?? (isNeeded ? await intervalHere(context) : 0);
    return passOptions(flags, context, every);
  };
  const { renewals, orphans } = await applyPass(optionsFor, context, { store, lockTimeout });
  return {
    renewals,
    orphans: orphans.map(({ name }) => name),
    held: renewals.flatMap(({ held }) => held ?? []),
  };
}

async function settle(
  orphans: readonly string[],
  prune: boolean,
  store: Store,
  { signal }: Context,
): Promise<readonly Block[]> {
  if (!prune)
    return orphans.map((name) =>
      line(`${name} is not in the config any more; --prune removes it.`, "warn"),
    );
  const { removeCertificate } = await import("./delete.ts");
  const lines: Block[] = [];
  for (const name of orphans) {
    const left = await removeCertificate(name, store, signal);
    lines.push(line(`Removed ${name}: it is not in the config any more.`));
    lines.push(
      ...left.map((text) => line(`Remove this TLSA record from the DNS: ${text}`, "warn")),
    );
  }
  return lines;
}
