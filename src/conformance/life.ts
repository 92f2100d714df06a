/** Cases about one response: published, published again, taken back, taken back again. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConformanceCase } from "./setup.ts";
import type { Challenge, Solver } from "../plugin.ts";
import { freely, targetOf, type Scene, type Subject } from "./subject.ts";

/** The life of a single challenge. */
export function lifeCases(subject: Subject): readonly ConformanceCase[] {
  return Object.entries(stories).map(([name, tell]) =>
    subject.story(name, async (scene) => {
      for (const challenge of subject.challenges(1))
        await tell(scene, await scene.solver(), challenge);
    }),
  );
}

type Tell = (scene: Scene, solver: Solver, challenge: Challenge) => Promise<void>;

const stories: Readonly<Record<string, Tell>> = {
  async "publishes nothing in preflight"(scene, solver, challenge) {
    const before = await scene.visible(challenge);
    await solver.preflight?.([targetOf(challenge)], freely);
    assert.deepEqual((await scene.visible(challenge)).toSorted(), before.toSorted());
  },
  async "publishes a response and removes it"(scene, solver, challenge) {
    await scene.expectGone(challenge);
    const receipt = await scene.present(solver, challenge);
    await scene.expectVisible(challenge);
    await solver.cleanup(challenge, receipt, freely);
    await scene.expectGone(challenge);
  },
  async "reports in the end that the response is live"(scene, solver, challenge) {
    const receipt = await scene.present(solver, challenge);
    await scene.expectVisible(challenge);
    for (let asked = 0; solver.checkPropagation !== undefined; asked++) {
      if (await solver.checkPropagation(challenge, receipt, freely)) break;
      assert(asked < 40, "checkPropagation never said yes");
      await sleep(25);
    }
    await solver.cleanup(challenge, receipt, freely);
  },
  async "presents a response twice with the same result"(scene, solver, challenge) {
    const first = await scene.present(solver, challenge);
    const second = await scene.present(solver, challenge);
    await scene.expectVisible(challenge);
    await solver.cleanup(challenge, second, freely);
    await scene.expectGone(challenge);
    await solver.cleanup(challenge, first, freely);
  },
  async "removes a response that was presented twice with the first receipt"(
    scene,
    solver,
    challenge,
  ) {
    const first = await scene.present(solver, challenge);
    await scene.present(solver, challenge);
    await solver.cleanup(challenge, first, freely);
    await scene.expectGone(challenge);
  },
  async "cleans up twice without an error"(scene, solver, challenge) {
    const receipt = await scene.present(solver, challenge);
    await solver.cleanup(challenge, receipt, freely);
    await solver.cleanup(challenge, receipt, freely);
    await scene.expectGone(challenge);
  },
  async "cleans up a response that was never presented"(scene, solver, challenge) {
    await solver.cleanup(challenge, undefined, freely);
    await scene.expectGone(challenge);
  },
  async "cleans up after a crash, in a new instance without a receipt"(scene, crashed, challenge) {
    await scene.present(crashed, challenge);
    await crashed.close?.();
    const next = await scene.solver();
    await next.cleanup(challenge, undefined, freely);
    await scene.expectGone(challenge);
  },
  async "returns receipts that survive JSON"(scene, crashed, challenge) {
    const receipt = await scene.present(crashed, challenge);
    await scene.expectVisible(challenge);
    const revived = throughJson(receipt);
    assert.deepEqual(revived, receipt, "the receipt is not plain JSON");
    scene.expectNoSecret(JSON.stringify(receipt) ?? "", "the receipt");
    await crashed.close?.();
    const next = await scene.solver();
    await next.cleanup(throughJson(challenge), revived, freely);
    await scene.expectGone(challenge);
  },
};

/** As the journal keeps it: a receipt of `undefined` comes back as itself. */
function throughJson<V>(value: V): V {
  return value === undefined ? value : JSON.parse(JSON.stringify(value));
}
