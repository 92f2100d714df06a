/** Cases about several responses at one place, several instances that write there, and values of other programs. */
import assert from "node:assert/strict";
import type { ConformanceCase, ForeignValue } from "./setup.ts";
import type { Challenge, Solver } from "../plugin.ts";
import { freely, type Scene, type Subject } from "./subject.ts";

/** No value gets lost. */
export function crowdCases(subject: Subject): readonly ConformanceCase[] {
  if (subject.values < 2) return [];
  return [
    subject.story("keeps the second of two responses when the first is removed", async (scene) => {
      const solver = await scene.solver();
      const [first, second] = two(subject.challenges(2));
      const one = await scene.present(solver, first);
      const other = await scene.present(solver, second);
      await scene.expectVisible(first, second);
      await solver.cleanup(first, one, freely);
      await scene.expectGone(first);
      await scene.expectVisible(second);
      await solver.cleanup(second, other, freely);
      await scene.expectGone(second);
    }),
    subject.story("removes only one of two responses without a receipt", async (scene) => {
      const solver = await scene.solver();
      const [first, second] = two(subject.challenges(2));
      await scene.present(solver, first);
      await scene.present(solver, second);
      await solver.cleanup(first, undefined, freely);
      await scene.expectGone(first);
      await scene.expectVisible(second);
      await solver.cleanup(second, undefined, freely);
      await scene.expectGone(second);
    }),
    subject.story(`loses none of ${subject.values} responses written at the same time`, (scene) =>
      sideBySide(subject, scene),
    ),
    ...batchCases(subject),
  ];
}

/** Every instance works for itself, as runs of their own would, and within its declared concurrency. */
async function sideBySide(subject: Subject, scene: Scene): Promise<void> {
  const challenges = subject.challenges(subject.values);
  const count = Math.min(subject.instances, challenges.length);
  const solvers = await Promise.all(Array.from({ length: count }, () => scene.solver()));
  const work = async (
    mine: (index: number) => boolean,
    act: (solver: Solver, challenge: Challenge) => Promise<unknown>,
  ) => {
    const lanes = solvers.map(async (solver, lane) => {
      const own = challenges.filter((_, index) => index % count === lane && mine(index));
      for (let from = 0; from < own.length; from += subject.concurrency) {
        const group = own.slice(from, from + subject.concurrency);
        await Promise.all(group.map((challenge) => act(solver, challenge)));
      }
    });
    await Promise.all(lanes);
  };
  const isFirstHalf = (index: number) => index < challenges.length / 2;
  await work(
    () => true,
    (solver, challenge) => scene.present(solver, challenge),
  );
  await scene.expectVisible(...challenges);
  await work(isFirstHalf, undo);
  await scene.expectGone(...challenges.filter((_, index) => isFirstHalf(index)));
  await scene.expectVisible(...challenges.filter((_, index) => !isFirstHalf(index)));
  await work((index) => !isFirstHalf(index), undo);
  await scene.expectGone(...challenges);
}

function undo(solver: Solver, challenge: Challenge): Promise<void> {
  return solver.cleanup(challenge, undefined, freely);
}

function batchCases(subject: Subject): readonly ConformanceCase[] {
  const challengesOf = () => subject.challenges(Math.min(subject.values, 4));
  return [
    subject.story("presents several responses at once like each alone", async (scene) => {
      const solver = await scene.solver();
      const challenges = challengesOf();
      const receipts = await solver.presentAll?.(challenges, freely);
      if (receipts === undefined) return;
      assert.equal(receipts.length, challenges.length, "presentAll gives one receipt for each");
      await scene.expectVisible(...challenges);
      for (const [index, challenge] of challenges.entries()) {
        await solver.cleanup(challenge, receipts[index], freely);
        await scene.expectGone(challenge);
        await scene.expectVisible(...challenges.slice(index + 1));
      }
    }),
    subject.story("removes several responses at once like each alone", async (scene) => {
      const solver = await scene.solver();
      if (solver.cleanupAll === undefined) return;
      const [kept, ...challenges] = challengesOf();
      assert(kept !== undefined);
      await scene.present(solver, kept);
      const items = [];
      for (const challenge of challenges)
        items.push({ challenge, receipt: await scene.present(solver, challenge) });
      await solver.cleanupAll(items, freely);
      await scene.expectGone(...challenges);
      await scene.expectVisible(kept);
      await solver.cleanupAll([...items, { challenge: kept, receipt: undefined }], freely);
      await scene.expectGone(kept);
    }),
  ];
}

function two<C>(challenges: readonly C[]): readonly [C, C] {
  const [first, second] = challenges;
  assert(first !== undefined && second !== undefined);
  return [first, second];
}

/** A foreign value, and what belongs to it, outlives everything that the solver does. */
export function foreignCases(subject: Subject, foreign: ForeignValue): readonly ConformanceCase[] {
  const acts = {
    "leaves a foreign value unchanged": presentAndCleanup,
    "leaves a foreign value unchanged without receipts": cleanupBlindly,
    "leaves a foreign value unchanged in batches": inBatches,
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

interface Place {
  readonly scene: Scene;
  readonly solver: Solver;
  readonly challenges: readonly Challenge[];
  /** Fails when the foreign value is not what it was, and blames `step`. */
  unchanged(step: string): Promise<void>;
}

async function presentAndCleanup(place: Place): Promise<void> {
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

async function cleanupBlindly(place: Place): Promise<void> {
  const { scene, solver, challenges } = place;
  for (const challenge of challenges) {
    await solver.cleanup(challenge, undefined, freely);
    await place.unchanged("cleanup without anything presented");
    await scene.present(solver, challenge);
    await solver.cleanup(challenge, undefined, freely);
    await place.unchanged("cleanup without a receipt");
  }
}

async function inBatches(place: Place): Promise<void> {
  const { scene, solver, challenges } = place;
  if (solver.presentAll !== undefined) await solver.presentAll(challenges, freely);
  await place.unchanged("presentAll");
  const items = challenges.map((challenge) => ({ challenge, receipt: undefined }));
  if (solver.cleanupAll !== undefined) await solver.cleanupAll(items, freely);
  else for (const item of items) await solver.cleanup(item.challenge, undefined, freely);
  await place.unchanged("cleanupAll");
  await scene.expectGone(...challenges);
}

async function withForeign(
  challenges: readonly Challenge[],
  foreign: ForeignValue,
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
