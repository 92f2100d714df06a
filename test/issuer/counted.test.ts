import { expect, test } from "vitest";
import { countedCa } from "../../src/issuer/counted.ts";
import type { Limits } from "../../src/acme/presets.ts";
import { issue } from "../../src/issue/issue.ts";
import { limitLines, limitsLeft } from "../../src/status/limits.ts";
import { problemOf, setOf, solverOf, world } from "../issue/world.ts";

const day = 24 * 3_600_000;
const limits: Limits = { failuresInARow: { most: 9, per: 9 * day } };

test("failures in a row are counted for their name until it is validated", async () => {
  const it = await world();
  const granted = { failuresInARow: "9/9d" };
  const issuer = { server: it.server.directoryUrl, agreeTos: true, limits: granted };
  const request = it.requestFor(["shop.test"], { issuer, selfCheck: false });
  const tools = () => {
    const { ca, ...rest } = it.again();
    return { ...rest, ca: countedCa(ca, { ...rest, limits }) };
  };
  const lines = async () => {
    const now = it.tools.clock.now();
    return (await limitsLeft([request], it.store, now)).flatMap((one) => limitLines(one, now));
  };
  const silent = setOf(solverOf("web", { types: ["http-01"] }));
  const problem = await problemOf(issue(request, {}, { ...tools(), solvers: silent }));
  expect(problem.is("validation")).toBe(true);
  expect(await lines()).toEqual([
    expect.stringMatching(
      /: 8 of 9 failed validations in a row of shop\.test left before the CA pauses the name$/,
    ),
  ]);
  expect((await issue(request, {}, tools())).issued).toBe(true);
  expect(await lines()).toEqual([]);
});

test("what is known of the names is not sent to the CA with an order", async () => {
  const it = await world();
  const request = it.requestFor(["shop.test"]);
  await it.issue(request);
  await it.issue(request, { isWanted: () => true });
  const orders = it.server.requests.filter(({ kind }) => kind === "newOrder");
  expect(orders).toHaveLength(2);
  for (const { payload } of orders) expect(payload).not.toHaveProperty("renews");
});
