import type { CertificateRequest } from "../certificate.ts";
import { deployFile } from "../deploy/steps/write-file.ts";
import { composeConfigured } from "../request/configured.ts";
import { file, type OptionDeclarations, type OptionsOf } from "../options/declaration.ts";
import { asProblem, Problem } from "../problem.ts";
import {
  clockDifferences,
  clocksOf,
  differenceText,
  type ClockDifference,
} from "../status/clock.ts";
import { brokenLines } from "../status/broken.ts";
import { check, checkBroken, problemOfChecks, type Checked } from "../status/check.ts";
import { stateOf } from "../status/conditions.ts";
import { knownCertificates, type Certificates } from "../status/certificates.ts";
import { documentsOf, viewsOf } from "../status/describe.ts";
import { timeFrom } from "../dates.ts";
import { prometheusText } from "../status/metrics.ts";
import { stepOf, whenOf } from "../status/plan.ts";
import { type Block, type Result, line, table, verbatim } from "../result.ts";
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
  async run(flags, context): Promise<Result> {
    assertTogether(flags);
    const store = await context.store();
    const configured = await composeConfigured(await context.config());
    const known = await knownCertificates(context.args, configured, store, true);
    const now = context.clock.now();
    const clocks = await clockDifferences(
      known.certificates.map(({ request }) => request),
      store,
      now,
    );
    const checked =
      flags.check === true
        ? await checkAll(known, clocks, flags.warn ?? 0, store, context)
        : undefined;
    const problem = checked && problemOfChecks(checked);
    const documents = documentsOf(known, now);
    return {
      document: {
        outcome: checked === undefined ? "shown" : problem === undefined ? "well" : "troubled",
        certificates: documents.map((one, index) => ({
          ...one,
          findings: checked?.[index]?.findings,
        })),
        clocks: clocks.length === 0 ? undefined : clocks,
      },
      view: [
        ...(await shown(known, checked, flags, context, store)),
        ...(flags.format === "text" && checked === undefined
          ? clocks.map((one) => line(differenceText(one), "bad"))
          : []),
      ],
      problem,
    };
  },
});

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

/** Readable certificates first. Fails without any: a monitor that watches an empty folder would never alert. */
async function checkAll(
  { certificates, broken }: Certificates,
  clocks: readonly ClockDifference[],
  warn: number,
  { where }: Store,
  context: Context,
): Promise<readonly Checked[]> {
  if (certificates.length + broken.length === 0) {
    throw new Problem("usage", {
      detail: `There is nothing to check: the config has no certificates, and ${where} has none either.`,
      hint: "Each user has a state folder: give the right one with --state DIR, or run as the user that renews.",
    });
  }
  const now = context.clock.now();
  const { reviewerOf } = await import("../request/review.ts");
  const review = reviewerOf(context);
  const checked = certificates.map(async (one) => {
    const faults = [
      ...(await review(one.request)),
      ...(await faultsOfRecords(one.request, context)),
    ];
    return check(one, { faults, clocks: clocksOf(one, clocks) }, warn, now);
  });
  return [...(await Promise.all(checked)), ...broken.map(checkBroken)];
}

/** The only look at the DNS: what was published once must still be there when the certificate is due. */
async function faultsOfRecords(
  request: CertificateRequest,
  context: Context,
): Promise<readonly string[]> {
  if (!request.solvers.some(({ use }) => use === "dns-persist")) return [];
  const { recordFaults } = await import("../status/standing.ts");
  const { openTools } = await import("../issuer/open.ts");
  const tools = await openTools(request.issuer, [], context, { store: await context.store() });
  try {
    return await recordFaults(request, context.clock.now(), tools);
  } finally {
    await tools.close();
  }
}

async function shown(
  known: Certificates,
  checked: readonly Checked[] | undefined,
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
  if (checked !== undefined) return [verdict(known, checked, now)];
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
function verdict({ certificates }: Certificates, checked: readonly Checked[], now: Date): Block {
  const troubled = checked.filter(({ findings }) => findings.length > 0);
  if (troubled.length > 0) {
    const names = troubled.map(({ name, findings }) => `${name} (${findings[0]?.kind})`).join(", ");
    const count = `${troubled.length} of ${checked.length} certificates`;
    return line(`acmectl: ${count}: ${names}`, "bad");
  }
  const ends = certificates.flatMap(({ held }) => (held === undefined ? [] : [held.meta.notAfter]));
  const [first = ""] = ends.toSorted();
  const all =
    checked.length === 1 ? "the certificate is" : `all ${checked.length} certificates are`;
  const end = timeFrom(now, new Date(first));
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
