import type { Context } from "../context.ts";
import { storedCertificates, type Certificates } from "../status/certificates.ts";
import { dueByIndex, type DueByIndex } from "../renew/by-index.ts";
import { idleRenewals, needsInterval } from "../renew/idle.ts";
import { noteAfterPass, noteQuiet, recallQuiet } from "../renew/quiet.ts";
import type { Renewal } from "../renew/renew.ts";
import { reportQuiet, reportRenewals, withFiles } from "../renew/report.ts";
import { passFlags, passOptions } from "../options/declared/pass.ts";
import { dryRun } from "../options/declared/request.ts";
import { Problem } from "../problem.ts";
import type { Store, StoredCertificate } from "../state/store.ts";
import type { Result } from "../result.ts";
import type { Run } from "../issuer/dry-run.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import { defineCommand } from "./command.ts";

const options = {
  ...passFlags,
  dryRun,
  drill: {
    type: "boolean",
    description: "Show how an early renewal of all certificates would go; order nothing.",
  },
} as const satisfies OptionDeclarations;

type Flags = OptionsOf<typeof options>;

export const command = defineCommand({
  name: "renew",
  summary: "Renew due certificates; run this from cron or a systemd timer",
  description:
    "A certificate is due when the CA's renewal information (ARI) says so, else when a third of its lifetime is left (half if it is shorter than ten days). A failure never stops the others; failures back off: 1, 10, 100 minutes, then daily.",
  examples: ["acmectl renew -q", "acmectl renew shop --force", "acmectl renew --json"],
  arguments: [
    {
      usage: "[name...]",
      description: "only these certificates; default: all",
      offers: "certificates",
    },
  ],
  options,
  notifies: ({ dryRun = false, drill: isDrill = false }) => dryRun === false && !isDrill,
  async run(flags, context) {
    const { dryRun = false, detailedExitcode = false } = flags;
    refuseTogether(flags);
    const store = await context.store();
    const isUsual = isUsualRun(flags, context);
    const known = isUsual ? await withoutReadingAll(flags, store, context) : undefined;
    if (known !== undefined) return known;
    const named = await storedCertificates(store, context.args);
    if (named.certificates.length + named.broken.length === 0) throw nothingKept(store);
    const every = flags.every ?? (await everyOf(named, context));
    if (flags.drill === true) return drill(named, flags, context);
    const options = passOptions(flags, context, every);
    const idle = await idleUnless(dryRun !== false, named, options, store, context);
    const renewals = idle ?? (await renewDue(named, { ...flags, every }, context));
    const note = idle ? noteQuiet : noteAfterPass;
    if (isUsual) await note(named, flags.every, store, context);
    const shown = dryRun === false ? await withFiles(renewals, store, context) : renewals;
    return reportRenewals(shown, { detailed: detailedExitcode, dryRun }, context.clock.now());
  },
});

/** What an earlier run noted, or the index of the state finds, spares reading all certificates. */
async function withoutReadingAll(
  flags: Flags,
  store: Store,
  context: Context,
): Promise<Result | undefined> {
  const { clock } = context;
  const quiet = await recallQuiet(store, flags.every, clock.now());
  if (quiet !== undefined) return reportQuiet(quiet, clock.now());
  const found = await dueByIndex(flags.every, store, context, intervalOf(context));
  return found && renewFound(found, flags, store, context);
}

/** Those that the index of the state has found; the others are not read. */
async function renewFound(
  { named, every, next }: DueByIndex,
  flags: Flags,
  store: Store,
  context: Context,
): Promise<Result> {
  const { clock } = context;
  const idle = await idleRenewals(named, passOptions(flags, context, every), store, clock.now());
  const renewals = idle ?? (await renewDue(named, { ...flags, every }, context));
  const isQuiet = renewals.every((one) => one.outcome === "not due" && isUneventful(one));
  if (isQuiet) return reportQuiet({ next }, clock.now());
  return reportRenewals(renewals, { detailed: flags.detailedExitcode === true }, clock.now());
}

const isUneventful = ({ isDeployed, deployProblem, pause }: Renewal) =>
  isDeployed !== true && deployProblem === undefined && pause === undefined;

const intervalOf = (context: Context) => async () => {
  const { intervalHere } = await import("../schedule/interval.ts");
  return intervalHere(context);
};

/** A dry run goes through everything. */
async function idleUnless(
  isDry: boolean,
  named: Certificates,
  options: ReturnType<typeof passOptions>,
  store: Store,
  { clock }: Context,
): Promise<readonly Renewal[] | undefined> {
  return isDry ? undefined : idleRenewals(named, options, store, clock.now());
}

/** A drill orders nothing, so what would change an order has no effect on it. */
function refuseTogether({ drill: isDrill = false, dryRun = false, force, newOrder }: Flags): void {
  const flags = { "--force": force, "--dry-run": dryRun !== false, "--new-order": newOrder };
  const [other] = Object.entries(flags).find(([, isGiven]) => isGiven === true) ?? [];
  if (!isDrill || other === undefined) return;
  throw new Problem("usage", {
    detail: `--drill and ${other} were given together; a drill orders nothing.`,
    hint: "Leave one of them out.",
  });
}

/** Over all certificates, by their due times. A JSON document lists each of them, so they are read. */
function isUsualRun(flags: Flags, context: Context): boolean {
  const { dryRun = false, force = false, drill: isDrill = false } = flags;
  const isWhole = context.args.length === 0 && dryRun === false && !force && !isDrill;
  return isWhole && context.sourceOf("json") === "not given";
}

async function drill(named: Certificates, flags: Flags, context: Context): Promise<Result> {
  const { drillOf } = await import("../renew/drill.ts");
  const { intervalHere } = await import("../schedule/interval.ts");
  const every = flags.every ?? (await intervalHere(context));
  const { concurrency, max = Number.POSITIVE_INFINITY } = flags;
  const store = await context.store();
  return drillOf(named, { every, concurrency, max }, store, context.clock.now());
}

/** The interval of a schedule whose command does not say it. */
async function everyOf({ certificates }: Certificates, context: Context): Promise<number> {
  if (!needsInterval(certificates, context.clock.now())) return 0;
  return intervalOf(context)();
}

/** What talks to CAs is loaded only where there may be something to do. */
async function renewDue(
  named: Certificates,
  { dryRun = false, ...flags }: Flags & { readonly every: number },
  context: Context,
): Promise<readonly Renewal[]> {
  const lockTimeout = flags.wait ? undefined : 0;
  if (dryRun === "authorizations") {
    const { rehearseAll } = await import("../renew/rehearse.ts");
    return rehearseAll(named, context, { store: await context.store(), lockTimeout });
  }
  const { renewPass } = await import("../renew/pass.ts");
  const { openDryRun, openRealRun } = await import("../issuer/dry-run.ts");
  await using pass = await (dryRun ? openDryRun : openRealRun)(context);
  const certificates = named.certificates.map((one) => (dryRun ? rehearsalOf(one, pass) : one));
  return renewPass({ ...named, certificates }, passOptions(flags, context, flags.every), context, {
    store: pass.store,
    lockTimeout,
    local: { folder: pass.folder },
    dryRun,
  });
}

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
