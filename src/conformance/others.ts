/** Cases about several responses at one place, several instances that write there, and values of other programs. */
import assert from "node:assert/strict";
import type { ConformanceCase, ForeignValue } from "./setup.ts";
import type { Challenge, Solver } from "../plugin.ts";
import { freely, type Scene, type Subject } from "./subject.ts";

/** No value gets lost. */
export function crowdCases(subject: Subject): readonly ConformanceCase[] {
  if (subject.values < 2) return [];
  return [
    subject.story("keeps the second of two responses when the first is removed", (scene) =>
      oneByOne(subject, scene, true),
    ),
    subject.story("removes only one of two responses without a receipt", (scene) =>
      oneByOne(subject, scene, false),
    ),
    subject.story(`loses none of ${subject.values} responses written at the same time`, (scene) =>
      sideBySide(subject, scene),
    ),
    ...batchCases(subject),
  ];
}

async function oneByOne(subject: Subject, scene: Scene, withReceipt: boolean): Promise<void> {
  const solver = await scene.solver();
  const challenges = subject.challenges(2);
  const receipts: unknown[] = [];
  for (const challenge of challenges) receipts.push(await scene.present(solver, challenge));
  await scene.expectVisible(...challenges);
  for (const [index, challenge] of challenges.entries()) {
    await solver.cleanup(challenge, withReceipt ? receipts[index] : undefined, freely);
    await scene.expectGone(challenge);
    await scene.expectVisible(...challenges.slice(index + 1));
  }
}

/** Every instance works for itself, as runs of their own would, and within its declared concurrency. */
async function sideBySide(subject: Subject, scene: Scene): Promise<void> {
  const challenges = subject.challenges(subject.values);
  const count = Math.min(subject.instances, challenges.length);
  const solvers = await Promise.all(Array.from({ length: count }, () => scene.solver()));
  const work = async (
    some: readonly Challenge[],
    act: (solver: Solver, challenge: Challenge) => Promise<unknown>,
  ) => {
    const lanes = solvers.map(async (solver, lane) => {
      const own = some.filter((challenge) => challenges.indexOf(challenge) % count === lane);
      for (let from = 0; from < own.length; from += subject.concurrency) {
        const group = own.slice(from, from + subject.concurrency);
        await Promise.all(group.map((challenge) => act(solver, challenge)));
      }
    });
    await Promise.all(lanes);
  };
  const half = Math.ceil(challenges.length / 2);
  const [early, late] = [challenges.slice(0, half), challenges.slice(half)];
  await work(challenges, (solver, challenge) => scene.present(solver, challenge));
  await scene.expectVisible(...challenges);
  await work(early, undo);
  await scene.expectGone(...early);
  await scene.expectVisible(...late);
  await work(late, undo);
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
