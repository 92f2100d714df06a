/** Cases about bad days: an abort, and options that cannot work. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { BrokenOptions, ConformanceCase } from "./setup.ts";
import { type Challenge, Problem } from "../plugin.ts";
import { freely, targetOf, textOf, type Scene, type Subject } from "./subject.ts";

/** How long an aborted call may take, in milliseconds. */
const patience = 2000;

/** A failure is quick, a Problem, and contains no secret. */
export function failureCases(
  subject: Subject,
  broken: readonly BrokenOptions[],
): readonly ConformanceCase[] {
  return [
    subject.story("rejects at once and publishes nothing when it is aborted", async (scene) => {
      const solver = await scene.solver();
      const challenges = subject.challenges(1);
      const aborted = { signal: AbortSignal.abort(new Error("aborted by the suite")) };
      for (const challenge of challenges) {
        await rejectsSoon("present", async () => solver.present(challenge, aborted));
        await scene.expectGone(challenge);
      }
      if (solver.presentAll !== undefined) {
        await rejectsSoon("presentAll", async () => solver.presentAll?.(challenges, aborted));
        await scene.expectGone(...challenges);
      }
    }),
    ...broken.map((each) =>
      subject.story(`fails with a Problem when ${each.when}`, async (scene) => {
        for (const challenge of subject.challenges(1)) await failsWell(scene, challenge, each);
      }),
    ),
  ];
}

async function rejectsSoon(method: string, call: () => Promise<unknown>): Promise<void> {
  const late = sleep(patience, "goes on");
  const outcome = call().then(
    () => "succeeded",
    () => undefined,
  );
  const fault = await Promise.race([outcome, late]);
  assert(fault === undefined, `${method} ${fault} though its signal is aborted`);
}

async function failsWell(scene: Scene, challenge: Challenge, broken: BrokenOptions): Promise<void> {
  const attempt = async () => {
    const solver = await scene.solver(broken.options);
    await solver.preflight?.([targetOf(challenge)], freely);
    await scene.present(solver, challenge);
  };
  const error: unknown = await attempt().catch((error: unknown) => error);
  assert(error !== undefined, "neither create nor preflight nor present failed");
  assert(Problem.is(error), `not a Problem but ${textOf(error)}`);
  assert(error.hint !== undefined, `the Problem gives no hint: ${error.message}`);
  if (broken.says !== undefined) assert.match(`${error.message}\n${error.hint}`, broken.says);
  scene.expectNoSecret(textOf(error), "the Problem", broken.options);
  await scene.expectGone(challenge);
}
