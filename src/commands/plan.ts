import type { Config } from "../config/config.ts";
import type { Context } from "../context.ts";
import { composeConfigured } from "../request/configured.ts";
import { changesCa } from "../request/drift.ts";
import { reviewConfig, reviewerOf } from "../request/review.ts";
import { line } from "../result.ts";
import { intervalHere, warnOfRareSchedule } from "../schedule/interval.ts";
import { limitLines, openCounter } from "../status/limits.ts";
import type { BrokenCertificate, HeldCertificate } from "../state/store.ts";
import { daneNotes } from "../status/dane.ts";
import { planOf, plannedStep, type Step } from "../status/plan.ts";
import { shorter } from "../status/due.ts";
import { eachWanted, type KnownCertificate, type Wanted } from "../status/certificates.ts";
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
    const every = await intervalHere(context);
    const prune = flags.prune === true;
    const found = await survey(config, { prune, every }, context);
    const { broken, limits, warnings } = found;
    await warnOfRareSchedule(found.shortest === undefined ? [] : [found.shortest], context);
    const now = context.clock.now();
    const plan = planOf(found.steps, broken, flags.detailedExitcode === true, now);
    return {
      ...plan,
      // Made for --json alone.
      get document() {
        return { ...plan.document, limits, warnings };
      },
      view: [
        ...plan.view,
        ...limits.flatMap((one) => limitLines(one, now)).map((text) => line(text, "dim")),
        ...warnings.map((text) => line(text, "warn")),
      ],
    };
  },
});

/** Of each certificate its step is kept, and what would stop a run. */
async function survey(
  config: Config,
  options: { readonly prune: boolean; readonly every: number },
  context: Context,
) {
  const configured = await composeConfigured(config);
  const [store, now] = [await context.store(), context.clock.now()];
  const [review, limits] = [reviewerOf(context), openCounter(store, now)];
  const wanted = new Map<string, Step | undefined>(
    configured.requests.map(({ name }) => [name, undefined]),
  );
  const [orphans, broken, moved]: [Step[], BrokenCertificate[], Wanted[]] = [[], [], []];
  const [reviewed, dane]: [string[], string[]] = [[], []];
  let shortest: HeldCertificate | undefined;
  for await (const one of eachWanted(configured, store)) {
    if ("problem" in one) {
      broken.push(one);
      continue;
    }
    const { name, request, held } = one;
    const step = plannedStep(one, options, now);
    if (one.isOrphan) {
      orphans.push(step);
      continue;
    }
    wanted.set(name, step);
    shortest = shorter(shortest, held);
    await limits.add(request);
    const faults = request.fromConfig === true ? [] : await review(request);
    reviewed.push(...faults.map((text) => `${name}: ${text}`));
    if (held !== undefined && changesCa(request, held)) moved.push(one);
    dane.push(...daneNotes(one, now).map((text) => `${name}: ${text}`));
  }
  const left = moved.length === 0 ? [] : await formerRecords(moved, context);
  const all = [...(await reviewConfig(config, context)), ...reviewed, ...left, ...dane];
  return {
    steps: [...[...wanted.values()].filter((one) => one !== undefined), ...orphans],
    broken,
    shortest,
    limits: await limits.left(),
    warnings: all.filter((text) => broken.every(({ problem }) => problem.message !== text)),
  };
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
