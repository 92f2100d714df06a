import { deployFile } from "../deploy/steps/write-file.ts";
import { composeConfigured, type Configured } from "../request/configured.ts";
import { file, type OptionDeclarations, type OptionsOf } from "../options/declaration.ts";
import { asProblem, Problem } from "../problem.ts";
import { clockDifferences, differenceText } from "../status/clock.ts";
import { brokenLines } from "../status/broken.ts";
import { problemOfChecks, type Checked } from "../status/check.ts";
import { stateOf } from "../status/conditions.ts";
import { eachKnown, knownCertificates, type Certificates } from "../status/certificates.ts";
import { documentsOf, viewsOf } from "../status/describe.ts";
import { timeFrom } from "../dates.ts";
import { prometheusText } from "../status/metrics.ts";
import { stepOf, whenOf } from "../status/plan.ts";
import { checkEach, type Verdict } from "../status/verdict.ts";
import { type Block, type List, type Result, line, table, verbatim } from "../result.ts";
import type { Store } from "../state/store.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "./command.ts";

const options = {
  check: {
    type: "boolean",
    description:
      "Exit with 6 (attempts fail), 9 (deploy steps failed) or 11 (anything else is wrong).",
  },
  warn: {
    type: "duration",
    description: "With --check: also fail if a certificate expires within this time, e.g. 14d.",
    placeholder: "TIME",
  },
  format: {
    type: "string",
    choices: ["text", "prometheus"],
    default: "text",
    description: "Output format; prometheus is for the node exporter's textfile collector.",
    placeholder: "FORMAT",
  },
  html: file("Write a page for browsers to this file, in one rename."),
  output: file("With --format prometheus: file to replace in one rename, instead of stdout."),
} as const satisfies OptionDeclarations;

type Flags = OptionsOf<typeof options>;

export const command = defineCommand({
  name: "status",
  summary: "Show certificate status: conditions, last order, next step; also for monitoring",
  description:
    "Works offline, except that --check looks for the records of dns-persist-01. With a name, shows the last attempt step by step; `acmectl describe NAME` shows every detail.",
  arguments: [
    {
      usage: "[name...]",
      description: "only these certificates; default: an overview of all",
      offers: "certificates",
    },
  ],
  examples: [
    "acmectl status example.com",
    "acmectl status --check --warn 14d",
    "acmectl status --format prometheus --output /var/lib/prometheus/node-exporter/acmectl.prom",
  ],
  options,
  async run(flags, context) {
    assertTogether(flags);
    const store = await context.store();
    const configured = await composeConfigured(await context.config());
    const now = context.clock.now();
    const warn = flags.warn ?? 0;
    if (isPlainCheck(flags, context)) {
      const found = await checkEach(
        eachKnown(configured, store, { files: false }),
        warn,
        store,
        context,
      );
      return verdictOf(found, documentsOfEach(configured, store, found, now), now);
    }
    const known = await knownCertificates(context.args, configured, store, true);
    const { certificates, broken } = known;
    const checked =
      flags.check === true
        ? await checkEach([...certificates, ...broken], warn, store, context)
        : undefined;
    const requests = certificates.map(({ request }) => request);
    const clocks = checked?.clocks ?? (await clockDifferences(requests, store, now));
    const view = await shown(known, checked, flags, context, store);
    const documents = documentsOf(known, now);
    if (checked !== undefined)
      return { ...verdictOf(checked, withFindings(documents, findingsIn(checked)), now), view };
    const differences = clocks.map((one) => line(differenceText(one), "bad"));
    return {
      document: {
        outcome: "shown",
        certificates: documents,
        clocks: clocks.length === 0 ? undefined : clocks,
      },
      view: flags.format === "text" ? [...view, ...differences] : view,
    };
  },
});

/** Of all certificates, for a monitor: then they are not in memory at once. */
function isPlainCheck({ check, format, html }: Flags, { args }: Context): boolean {
  return check === true && args.length === 0 && format === "text" && html === undefined;
}

function verdictOf(found: Verdict, certificates: List<unknown>, now: Date): Result {
  const { troubled, count, clocks } = found;
  const problem = problemOfChecks(troubled, count);
  return {
    document: {
      outcome: problem === undefined ? "well" : "troubled",
      certificates,
      clocks: clocks.length === 0 ? undefined : clocks,
    },
    view: [verdict(found, now)],
    problem,
  };
}

type Document = ReturnType<typeof documentsOf>[number];

type Findings = ReadonlyMap<unknown, Checked["findings"]>;

const findingsIn = ({ troubled }: Verdict): Findings =>
  new Map(troubled.map((one) => [one.name, one.findings]));

function withFindings(documents: readonly Document[], findings: Findings) {
  return documents.map((one) => ({ ...one, findings: findings.get(one.name) ?? [] }));
}

/** Read again, for --json alone. */
async function* documentsOfEach(
  configured: Configured,
  store: Store,
  found: Verdict,
  now: Date,
): AsyncGenerator {
  const findings = findingsIn(found);
  const each = eachKnown(configured, store, { attempts: true, files: true });
  for await (const one of each) {
    const known =
      "problem" in one ? { broken: [one], certificates: [] } : { broken: [], certificates: [one] };
    yield* withFindings(documentsOf(known, now), findings);
  }
}

function assertTogether({ check, warn, format, output }: Flags): void {
  if (output !== undefined && format !== "prometheus") {
    throw new Problem("usage", {
      detail: "--output is for --format prometheus.",
      hint: "Add --format prometheus, or redirect stdout.",
    });
  }
  if (warn === undefined || check === true) return;
  throw new Problem("usage", { detail: "--warn is for --check.", hint: "Add --check." });
}

async function shown(
  known: Certificates,
  checked: Verdict | undefined,
  { format, output, html: page }: Flags,
  context: Context,
  store: Store,
): Promise<readonly Block[]> {
  const now = context.clock.now();
  if (page !== undefined) {
    const { statusPage } = await import("../status/page/page.ts");
    await writeWhole(page, context.redact(statusPage(known, store.where, now)));
    return [line(`Wrote ${page}.`, "good")];
  }
  if (format === "prometheus") {
    const text = prometheusText(known, now);
    if (output === undefined) return [verbatim(text)];
    await writeWhole(output, text);
  }
  if (checked !== undefined) return [verdict(checked, now)];
  if (output !== undefined) return [line(`Wrote ${output}.`, "good")];
  if (context.args.length > 0) return viewsOf(known, { detailed: false }, now);
  return overview(known, now, store);
}

/** In one rename, and readable by all: the collector runs as another user. */
async function writeWhole(path: string, content: string): Promise<void> {
  const whole = { path, content, secret: false };
  await deployFile(whole, { mode: 0o644 }).catch((cause: unknown) => {
    const { message: detail, hint } = asProblem(cause);
    throw new Problem("machine", { detail, hint, cause });
  });
}

/** The one line that monitors show. */
function verdict({ count, troubled, firstEnd = "" }: Verdict, now: Date): Block {
  if (troubled.length > 0) {
    const names = troubled.map(({ name, findings }) => `${name} (${findings[0]?.kind})`).join(", ");
    return line(`acmectl: ${troubled.length} of ${count} certificates: ${names}`, "bad");
  }
  const all = count === 1 ? "the certificate is" : `all ${count} certificates are`;
  const end = timeFrom(now, new Date(firstEnd));
  return line(`acmectl: ${all} good; the first expires ${end}`, "good");
}

function overview(
  { certificates, broken }: Certificates,
  now: Date,
  { where }: Store,
): readonly Block[] {
  if (certificates.length + broken.length === 0)
    return [line(`The config has no certificates, and ${where} has none either.`, "dim")];
  const rows = certificates.map((one) => {
    const step = stepOf(one, now);
    return [
      one.name,
      stateOf(one, now),
      one.held === undefined ? "-" : timeFrom(now, new Date(one.held.meta.notAfter)),
      step.action === "none" ? "renew" : step.action,
      whenOf(step, now),
    ];
  });
  const unreadable = broken.map(({ name }) => [name, "broken", "-", "-", "-"]);
  return [
    table(["NAME", "STATE", "EXPIRES", "NEXT", "WHEN"], [...rows, ...unreadable]),
    ...broken.flatMap(brokenLines),
  ];
}
