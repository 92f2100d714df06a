import type { Config } from "../config/config.ts";
import type { Context } from "../context.ts";
import { composeConfigured } from "../request/configured.ts";
import { changesCa } from "../request/drift.ts";
import { reviewConfig, reviewerOf } from "../request/review.ts";
import { line } from "../result.ts";
import { intervalHere, warnOfRareSchedule } from "../schedule/interval.ts";
import { limitLines, limitsLeft } from "../status/limits.ts";
import { daneNotes } from "../status/dane.ts";
import { planOf } from "../status/plan.ts";
import {
  type Certificates,
  type KnownCertificate,
  wantedCertificates,
} from "../status/certificates.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "plan",
  summary: "Show what apply and renew would do now, and why, without asking the CA",
  options: {
    prune: {
      type: "boolean",
      description: "Include certificates that apply --prune would remove.",
    },
    detailedExitcode: { type: "boolean", description: "Exit with 10 if there is something to do." },
  },
  async run(flags, context) {
    const config = await context.config();
    const wanted = await wantedCertificates(await composeConfigured(config), await context.store());
    await warnOfRareSchedule(
      wanted.certificates.flatMap((one) => one.held ?? []),
      context,
    );
    const warnings = await warningsOf(wanted, config, context);
    const every = await intervalHere(context);
    const [prune, detailed] = [flags.prune === true, flags.detailedExitcode === true];
    const now = context.clock.now();
    const plan = planOf(wanted, { prune, detailed, every }, now);
    const requests = wanted.certificates.map(({ request }) => request);
    const limits = await limitsLeft(requests, await context.store(), now);
    return {
      ...plan,
      document: { ...plan.document, limits, warnings },
      view: [
        ...plan.view,
        ...limits.flatMap((one) => limitLines(one, now)).map((text) => line(text, "dim")),
        ...warnings.map((text) => line(text, "warn")),
      ],
    };
  },
});

/** What would stop a run: of the config, and of certificates that were asked for on the command line. */
async function warningsOf(
  { certificates, broken }: Certificates,
  config: Config,
  context: Context,
): Promise<readonly string[]> {
  const review = reviewerOf(context);
  const reviewed: string[] = [];
  for (const { name, request } of certificates) {
    if (request.fromConfig === true) continue;
    reviewed.push(...(await review(request)).map((text) => `${name}: ${text}`));
  }
  const moved = certificates.filter(({ request, held }) => held && changesCa(request, held));
  const left = moved.length === 0 ? [] : await formerRecords(moved, context);
  const now = context.clock.now();
  const dane = certificates.flatMap((one) =>
    daneNotes(one, now).map((text) => `${one.name}: ${text}`),
  );
  const all = [...(await reviewConfig(config, context)), ...reviewed, ...left, ...dane];
  return all.filter((text) => broken.every(({ problem }) => problem.message !== text));
}

/** The only look at the DNS: records that keep the CA which the config now names from issuing. */
async function formerRecords(
  moved: readonly KnownCertificate[],
  context: Context,
): Promise<readonly string[]> {
  const { recordsOfFormerCa } = await import("../check/account.ts");
  const { dnsCache } = await import("../issuer/open.ts");
  const tools = { store: await context.store(), dns: dnsCache(), signal: context.signal };
  const found = moved.map(async ({ request, held }) =>
    held === undefined ? undefined : recordsOfFormerCa(request, held, tools),
  );
  return (await Promise.all(found)).filter((one) => one !== undefined);
}
