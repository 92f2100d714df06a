/** Cases about one response: published, published again, taken back, taken back again. */
import assert from "node:assert/strict";
import type { ConformanceCase } from "./setup.ts";
import type { Challenge, Solver } from "../plugin.ts";
import { freely, targetOf, type Scene, type Subject } from "./subject.ts";

/** The life of a single challenge. */
export function lifeCases(subject: Subject): readonly ConformanceCase[] {
  return [...orderlyCases(subject), ...repeatedCases(subject), ...crashCases(subject)];
}

function orderlyCases(subject: Subject): readonly ConformanceCase[] {
  return [
    single(subject, "publishes nothing in preflight", async (scene, solver, challenge) => {
      const before = await scene.visible(challenge);
      await solver.preflight?.([targetOf(challenge)], freely);
      assert.deepEqual((await scene.visible(challenge)).toSorted(), before.toSorted());
    }),
    single(subject, "publishes a response and removes it", async (scene, solver, challenge) => {
      await scene.expectGone(challenge);
      const receipt = await scene.present(solver, challenge);
      await scene.expectVisible(challenge);
      await solver.cleanup(challenge, receipt, freely);
      await scene.expectGone(challenge);
    }),
    single(
      subject,
      "reports in the end that the response is live",
      async (scene, solver, challenge) => {
        const receipt = await scene.present(solver, challenge);
        await scene.expectVisible(challenge);
        for (let asked = 0; solver.checkPropagation !== undefined; asked++) {
          if (await solver.checkPropagation(challenge, receipt, freely)) break;
          assert(asked < 40, "checkPropagation never said yes");
          await new Promise((resolve) => setTimeout(resolve, 25));
        }
        await solver.cleanup(challenge, receipt, freely);
      },
    ),
  ];
}

function repeatedCases(subject: Subject): readonly ConformanceCase[] {
  return [
    single(
      subject,
      "presents a response twice with the same result",
      async (scene, solver, challenge) => {
        const first = await scene.present(solver, challenge);
        const second = await scene.present(solver, challenge);
        await scene.expectVisible(challenge);
        await solver.cleanup(challenge, second, freely);
        await scene.expectGone(challenge);
        await solver.cleanup(challenge, first, freely);
      },
    ),
    single(
      subject,
      "removes a response that was presented twice with the first receipt",
      async (scene, solver, challenge) => {
        const first = await scene.present(solver, challenge);
        await scene.present(solver, challenge);
        await solver.cleanup(challenge, first, freely);
        await scene.expectGone(challenge);
      },
    ),
    single(subject, "cleans up twice without an error", async (scene, solver, challenge) => {
      const receipt = await scene.present(solver, challenge);
      await solver.cleanup(challenge, receipt, freely);
      await solver.cleanup(challenge, receipt, freely);
      await scene.expectGone(challenge);
    }),
    single(
      subject,
      "cleans up a response that was never presented",
      async (scene, solver, challenge) => {
        await solver.cleanup(challenge, undefined, freely);
        await scene.expectGone(challenge);
      },
    ),
  ];
}

function crashCases(subject: Subject): readonly ConformanceCase[] {
  const name = "cleans up after a crash, in a new instance without a receipt";
  return [
    single(subject, name, async (scene, crashed, challenge) => {
      await scene.present(crashed, challenge);
      await crashed.close?.();
      const next = await scene.solver();
      await next.cleanup(challenge, undefined, freely);
      await scene.expectGone(challenge);
    }),
    single(subject, "returns receipts that survive JSON", async (scene, crashed, challenge) => {
      const receipt = await scene.present(crashed, challenge);
      await scene.expectVisible(challenge);
      const revived = throughJson(receipt);
      assert.deepEqual(revived, receipt, "the receipt is not plain JSON");
      scene.expectNoSecret(JSON.stringify(receipt) ?? "", "the receipt");
      await crashed.close?.();
      const next = await scene.solver();
      await next.cleanup(throughJson(challenge), revived, freely);
      await scene.expectGone(challenge);
    }),
  ];
}

/** A story of one solver and one challenge. */
function single(
  subject: Subject,
  name: string,
  tell: (scene: Scene, solver: Solver, challenge: Challenge) => Promise<void>,
): ConformanceCase {
  return subject.story(name, async (scene) => {
    for (const challenge of subject.challenges(1))
      await tell(scene, await scene.solver(), challenge);
  });
}

/** As the journal keeps it: a receipt of `undefined` comes back as itself. */
function throughJson<V>(value: V): V {
  return value === undefined ? value : JSON.parse(JSON.stringify(value));
}
