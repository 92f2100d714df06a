import { warnOfFormerCa } from "../check/former-ca.ts";
import { composeRequest } from "../request/compose.ts";
import { refuseOverwriting, splitRequest, warnOfFormerParts } from "../request/split.ts";
import { openDeployment, showDeployment } from "../deploy/deployment.ts";
import { openDryRun, openRealRun } from "../issuer/dry-run.ts";
import { issue, type IssueOptions, type IssueOutcome } from "../issue/issue.ts";
import { cleanAllLeftovers } from "../issue/journal.ts";
import type { IssueTools } from "../issue/tools.ts";
import { openTools } from "../issuer/open.ts";
import { reportOtherContact } from "../account/open.ts";
import { withKey } from "../account/register.ts";
import { describeHeld } from "../status/describe.ts";
import { isShortLived } from "../status/due.ts";
import type { CertificateRequest } from "../certificate.ts";
import { letGo, passFlags } from "../options/declared/pass.ts";
import { dryRun, requestFlags } from "../options/declared/request.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import { Problem } from "../problem.ts";
import { type Result, line } from "../result.ts";
import type { CertificateFiles, HeldCertificate } from "../state/store.ts";
import type { Context } from "../context.ts";
import { confirm, defineCommand } from "./command.ts";
import { putToUse } from "../renew/put-to-use.ts";

const options = {
  ...requestFlags,
  force: { ...passFlags.force, description: "Issue even if the certificate is good." },
  newOrder: passFlags.newOrder,
  wait: passFlags.wait,
  dryRun,
  check: { type: "boolean", description: "Only check what would prevent issuance, and stop." },
  detailedExitcode: passFlags.detailedExitcode,
  timings: passFlags.timings,
} as const satisfies OptionDeclarations;

export const command = defineCommand({
  name: "issue",
  summary: "Get a certificate, or do nothing if a good one exists",
  description:
    "The request is remembered, so that `acmectl renew` can repeat it. A changed request (names, key type, issuer, profile, chain) issues anew.",
  examples: [
    "acmectl issue -d example.com --standalone -m ops@example.com --agree-tos",
    "acmectl issue -d example.com,www.example.com --webroot /var/www/html",
    "acmectl issue -d 'example.com,*.example.com' --solver route53 --server letsencrypt --staging",
    "acmectl issue -d shop.test --server local",
  ],
  options,
  solverFlags: true,
  notifies: ({ dryRun = false }) => dryRun === false,
  async run(typed, context) {
    const config = await context.config();
    const asked = await composeRequest(typed, config, context);
    const split = typed.split ?? config.defaults.split ?? false;
    const parts = splitRequest(asked, split);
    if (typed.check === true) return checkOnly(parts, typed, context);
    if (typed.dryRun === "authorizations") return rehearse(parts, typed, context);
    if (typed.dryRun === undefined) await refuseOverwriting(asked, parts, await context.store());
    const results: Result[] = [];
    for (const part of parts) results.push(await issueOne(part, typed, context));
    if (split) await warnOfFormerParts(parts, await context.store(), context.log);
    return together(results);
  },
});

/** One result of all parts of a request that was split. */
function together(results: readonly Result[]): Result {
  const [first] = results;
  if (first === undefined || results.length === 1) return first ?? { document: none, view: [] };
  const documents = results.map(({ document }) => document);
  const outcome = documents.find((one) => one.outcome !== "unchanged")?.outcome ?? "unchanged";
  const certificates = documents.flatMap((one) => one["certificates"] ?? []);
  return {
    exitCode: results.find(({ exitCode = 0 }) => exitCode !== 0)?.exitCode,
    document: { outcome, certificates },
    view: results.flatMap(({ view }) => view),
    problem: results.find(({ problem }) => problem !== undefined)?.problem,
  };
}

const none = { outcome: "unchanged" };

async function issueOne(
  asked: CertificateRequest,
  typed: Typed,
  context: Context,
): Promise<Result> {
  const flags = { ...typed, dryRun: Boolean(typed.dryRun) };
  await using run = await (flags.dryRun ? openDryRun : openRealRun)(context);
  const request = run.requestOf(asked);
  const { store } = run;
  const deployment = flags.dryRun
    ? showDeployment(context)
    : openDeployment({ ...context, store, requests: [request] });
  const { localHttpPort: httpPort, localTlsPort: tlsPort, localResolver: resolver } = flags;
  const tools = await openTools(request.issuer, [request], context, {
    store,
    lockTimeout: flags.wait ? undefined : 0,
    local: { httpPort, tlsPort, resolver, folder: run.folder },
    around: deployment.hooks,
  });
  try {
    await deployment.hooks.resume();
    await cleanAllLeftovers(tools);
    const { email, accountKey } = flags;
    if (email !== undefined) await reportOtherContact(email, request.issuer, tools);
    const current = await handedBack(request, flags, tools);
    if (current !== undefined) return presentCurrent(request, current, flags, context);
    const chosen =
      accountKey === undefined ? tools : await withKey(accountKey, request.issuer, context, tools);
    const { name } = request;
    // One that cannot be read is reported by `issue`.
    const stored = await store.certificates.read(name).catch(() => undefined);
    await warnOfFormerCa(request, stored?.held, chosen);
    const outcome = await issue(request, issueOptions(request, flags, context), chosen);
    const { problem, isDeployed } = await putToUse(request, deployment, chosen);
    const files = await store.certificates.files(name);
    if (isShortLived(outcome.held)) {
      // Loaded only for a certificate that the usual schedule may be too rare for.
      const { warnOfRareSchedule } = await import("../schedule/interval.ts");
      await warnOfRareSchedule([outcome.held], context);
    }
    // The certificate is good and shown, whatever became of its deployment.
    return { ...present(request, { ...outcome, files, isDeployed }, flags, context), problem };
  } catch (error) {
    throw await deployment.stopped(error);
  } finally {
    await tools.close();
    await deployment.hooks.post();
  }
}

async function checkOnly(
  requests: readonly CertificateRequest[],
  typed: Typed,
  context: Context,
): Promise<Result> {
  const { checkAll } = await import("../check/all.ts");
  return checkAll(requests, typed, context);
}

/** With the CA itself, up to the authorizations. */
async function rehearse(
  requests: readonly CertificateRequest[],
  { wait }: Typed,
  context: Context,
): Promise<Result> {
  const { rehearseAll } = await import("../renew/rehearse.ts");
  const certificates = requests.map((request) => {
    return { name: request.name, request, status: { failures: 0 } };
  });
  const renewals = await rehearseAll({ certificates, broken: [] }, context, {
    store: await context.store(),
    lockTimeout: wait ? undefined : 0,
  });
  const { reportRenewals } = await import("../renew/report.ts");
  const report = { detailed: false, dryRun: "authorizations" } as const;
  return reportRenewals(renewals, report, context.clock.now());
}

type Typed = OptionsOf<typeof options>;
type Flags = Omit<Typed, "dryRun"> & { readonly dryRun: boolean };

function issueOptions(
  { name: held }: CertificateRequest,
  { force, newOrder, name, dryRun }: Flags,
  context: Context,
): IssueOptions {
  return {
    isWanted: force === true ? () => true : undefined,
    letGo: letGo({ newOrder, force }),
    force,
    rehearse: true,
    // Who names the certificate knows which one it is; a name that was derived may hit another one.
    onDrop: name !== undefined || dryRun ? undefined : (names) => agreed(held, names, context),
  };
}

async function agreed(held: string, dropped: readonly string[], context: Context): Promise<void> {
  const names = dropped.join(", ");
  if (context.interactive) {
    const question = `The certificate ${held} also names ${names}. Drop ${names} from it?`;
    return confirm(question, false, context);
  }
  throw new Problem("usage", {
    title: "Names would be dropped",
    detail: `The certificate ${held} also names ${names}, which this request leaves out.`,
    hint: `To keep the names, give them all with -d. To drop them, add --name ${held}. To get a separate certificate, add another --name.`,
  });
}

/** The certificate of `--current-cert`, if it is good and neither --force nor --dry-run was given. */
async function handedBack(
  request: CertificateRequest,
  { currentCert, currentKey, force, dryRun }: Flags,
  tools: IssueTools,
): Promise<HeldCertificate | undefined> {
  if (currentCert === undefined && currentKey !== undefined) {
    throw new Problem("usage", {
      detail: "--current-key was given without --current-cert, whose key it is.",
      hint: "Give both options.",
    });
  }
  if (currentCert === undefined || force === true || dryRun) return undefined;
  const { goodCurrent } = await import("../renew/current.ts");
  return goodCurrent(request, { certificate: currentCert, privateKey: currentKey }, tools);
}

function presentCurrent(
  request: CertificateRequest,
  held: HeldCertificate,
  { currentCert: fullchain = "", currentKey: privateKey }: Flags,
  { clock }: Context,
): Result {
  const files = { certificate: fullchain, chain: fullchain, fullchain, privateKey };
  const { document, view } = describeHeld(request, held, files, "unchanged", clock.now());
  const paths = { fullchain, privateKey };
  const text = `The certificate in ${fullchain} is good; nothing was done.`;
  return {
    document: { outcome: "unchanged", certificates: [{ ...document, paths }] },
    view: [line(text, "good"), ...view],
  };
}

interface Outcome extends IssueOutcome {
  readonly files: CertificateFiles | undefined;
  readonly isDeployed: boolean;
}

function present(
  request: CertificateRequest,
  { held, issued, added, dropped, files, isDeployed, ...rest }: Outcome,
  { detailedExitcode, dryRun }: Flags,
  { clock }: Context,
): Result {
  const names = held.meta.identifiers.map(({ value }) => value).join(", ");
  if (dryRun) {
    const text = `Dry run: ${request.issuer.server} issues a certificate for ${names}. Nothing was kept.`;
    const { name } = request;
    const certificate = { name, outcome: "dry-run", identifiers: held.meta.identifiers };
    const document = { outcome: "dry-run", certificates: [certificate] };
    return { document, view: [line(text, "good")] };
  }
  const outcome = issued ? "issued" : "unchanged";
  const text = issued
    ? `Issued a certificate for ${names}${changesOf({ added, dropped })}.`
    : `A good certificate for ${names} exists already; ${unchanged(rest, isDeployed)}.`;
  const { document, view } = describeHeld(request, held, files, outcome, clock.now());
  return {
    exitCode: issued && detailedExitcode === true ? 10 : 0,
    document: { outcome, certificates: [document] },
    view: [line(text, "good"), ...view],
  };
}

/** ` (added: x.test; dropped: a.test)` */
function changesOf(changes: Pick<IssueOutcome, "added" | "dropped">): string {
  const parts = Object.entries(changes)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what}: ${names.join(", ")}`);
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

function unchanged(
  { changed, settings = [] }: Pick<IssueOutcome, "changed" | "settings">,
  isDeployed: boolean,
): string {
  const others = settings.length === 0 ? [] : [`the changed ${settings.join(", ")}`];
  const used = [...(changed === undefined ? [] : [changed]), ...others].join(" and ");
  const repeated = isDeployed ? ["its deploy steps were repeated"] : [];
  const parts = used === "" ? repeated : [`renewals now use ${used}`, ...repeated];
  return parts.length === 0 ? "nothing was done" : parts.join(", and ");
}
