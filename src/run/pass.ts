import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { notifyAfterRun } from "../notify/notify.ts";
import { messageWithHint, Problem } from "../problem.ts";
import { applyPass, type Applied } from "../renew/apply.ts";
import { problemOf } from "../renew/problem.ts";
import type { Renewal, RenewOptions } from "../renew/renew.ts";
import { reportRenewals } from "../renew/report.ts";
import { composeConfigured } from "../request/configured.ts";
import type { Store } from "../state/store.ts";
import { wantedCertificates } from "../status/certificates.ts";
import { isUndone, nextLook, type Look } from "./next.ts";

export interface Passed {
  readonly look: Look;
  /** True if what is due could not be done. */
  readonly left: boolean;
  /** Why the pass as a whole failed. */
  readonly problem?: string | undefined;
}

/** One pass. Rejects only when the run is stopped. `fruitless` counts the passes just before it that left something undone. */
export async function passOnce(
  fruitless: number,
  options: RenewOptions,
  context: Context,
  store: Store,
): Promise<Passed> {
  const { clock, log, signal } = context;
  try {
    const applied = await applyPass(() => Promise.resolve(options), context, { store });
    report(applied, context);
    await notifyAfterRun(context);
    const { certificates } = applied.isIdle
      ? applied
      : await wantedCertificates(await composeConfigured(await context.config()), store);
    const now = clock.now();
    const isProgress = applied.renewals.some(({ outcome }) => outcome === "renewed");
    const isLeft = isUndone(certificates, now);
    if (isLeft && isProgress)
      return { look: { at: new Date(now.getTime() + second) }, left: false };
    return { look: nextLook(certificates, fruitless, now), left: isLeft };
  } catch (error) {
    signal.throwIfAborted();
    const text = messageOf(error);
    const why = Problem.is(error) ? messageWithHint(error) : text;
    log.warn(`the pass failed: ${why}`, { step: "run" });
    if (!Problem.is(error) && error instanceof Error) log.debug(error.stack ?? text);
    const pause = Math.min(longestPause, 10 * second * 4 ** fruitless);
    const retryAt = Problem.is(error) ? error.retryAt : undefined;
    const at = Math.max(clock.now().getTime() + pause, retryAt?.getTime() ?? 0);
    return { look: { at: new Date(at) }, left: true, problem: text };
  }
}

const second = 1000;
const longestPause = 10 * 60 * second;

function report({ renewals, orphans }: Applied, { log, clock }: Context): void {
  for (const renewal of renewals) {
    const problem = problemOf(renewal);
    if (problem === undefined) continue;
    const { name } = renewal;
    const text = messageWithHint(problem);
    log.warn(text.startsWith(name) ? text : `${name}: ${text}`, { certificate: name });
  }
  for (const text of doneTexts(renewals, clock.now())) log.info(text, { step: "run" });
  for (const { name } of orphans)
    log.debug(`${name} is not in the config any more; acmectl apply --prune removes it`);
}

/** As `renew` prints them. A failure was logged. */
function doneTexts(renewals: readonly Renewal[], now: Date): readonly string[] {
  const done = renewals.filter((one) => one.bug === undefined && one.outcome !== "not due");
  if (done.length === 0) return [];
  const { view } = reportRenewals(done, { detailed: false }, now);
  return view.flatMap((block) => (block.kind === "line" ? [block.text] : []));
}
