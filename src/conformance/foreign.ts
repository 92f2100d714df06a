/** Cases about what is not the solver's own. */
import assert from "node:assert/strict";
import type { ConformanceCase, ForeignValue } from "../conformance.ts";
import type { ChallengeOf, ChallengeType, OptionDeclarations, Solver } from "../plugin.ts";
import { freely, type Scene, type Subject } from "./subject.ts";

/** A foreign value, and what belongs to it, outlives everything that the solver does. */
export function foreignCases<T extends ChallengeType, D extends OptionDeclarations>(
  subject: Subject<T, D>,
  foreign: ForeignValue<T>,
): readonly ConformanceCase[] {
  const acts = {
    "leaves a foreign value as it is": presentAndCleanup<T, D>,
    "leaves a foreign value as it is without receipts": cleanupBlindly<T, D>,
    "leaves a foreign value as it is in batches": inBatches<T, D>,
  };
  return Object.entries(acts).map(([name, act]) =>
    subject.story(name, async (scene) => {
      const solver = await scene.solver();
      const challenges = subject.challenges(Math.max(1, Math.min(subject.values - 1, 2)));
      await withForeign(challenges, foreign, (unchanged) =>
        act({ scene, solver, challenges, unchanged }),
      );
    }),
  );
}

interface Place<T extends ChallengeType, D extends OptionDeclarations> {
  readonly scene: Scene<T, D>;
  readonly solver: Solver<T>;
  readonly challenges: readonly ChallengeOf<T>[];
  /** Fails when the foreign value is not what it was, and blames `step`. */
  unchanged(step: string): Promise<void>;
}

async function presentAndCleanup<T extends ChallengeType, D extends OptionDeclarations>(
  place: Place<T, D>,
): Promise<void> {
  const { scene, solver, challenges } = place;
  const receipts: unknown[] = [];
  for (const challenge of challenges) receipts.push(await scene.present(solver, challenge));
  await scene.expectVisible(...challenges);
  await place.unchanged("present");
  for (const [index, challenge] of challenges.entries()) {
    await solver.cleanup(challenge, receipts[index], freely);
    await place.unchanged("cleanup");
  }
  await scene.expectGone(...challenges);
}

async function cleanupBlindly<T extends ChallengeType, D extends OptionDeclarations>(
  place: Place<T, D>,
): Promise<void> {
  const { scene, solver, challenges } = place;
  for (const challenge of challenges) {
    await solver.cleanup(challenge, undefined, freely);
    await place.unchanged("cleanup without anything presented");
    await scene.present(solver, challenge);
    await solver.cleanup(challenge, undefined, freely);
    await place.unchanged("cleanup without a receipt");
  }
}

async function inBatches<T extends ChallengeType, D extends OptionDeclarations>(
  place: Place<T, D>,
): Promise<void> {
  const { scene, solver, challenges } = place;
  if (solver.presentAll !== undefined) await solver.presentAll(challenges, freely);
  await place.unchanged("presentAll");
  const items = challenges.map((challenge) => ({ challenge, receipt: undefined }));
  if (solver.cleanupAll !== undefined) await solver.cleanupAll(items, freely);
  else for (const item of items) await solver.cleanup(item.challenge, undefined, freely);
  await place.unchanged("cleanupAll");
  await scene.expectGone(...challenges);
}

async function withForeign<T extends ChallengeType>(
  challenges: readonly ChallengeOf<T>[],
  foreign: ForeignValue<T>,
  act: (unchanged: (step: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const [place] = challenges;
  assert(place !== undefined);
  const before = await foreign.look(place);
  await foreign.plant(place);
  try {
    const planted = await foreign.look(place);
    assert.notDeepEqual(planted, before, "the setup's look does not see what it planted");
    await act(async (step) => {
      assert.deepEqual(await foreign.look(place), planted, `${step} changed a foreign value`);
    });
  } finally {
    await foreign.remove(place);
  }
}
