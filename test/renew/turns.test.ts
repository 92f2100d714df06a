import { expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import { renewPass } from "../../src/renew/pass.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import { silentLog } from "../../src/testing.ts";
import { requestFor } from "../issue/world.ts";
import { testClock } from "../support/clock.ts";
import { contextOf } from "../support/context.ts";
import { temporaryFolder } from "../support/state.ts";

test("a state that fails while certificates are chosen fails each of them, not the pass", async () => {
  await using folder = await temporaryFolder();
  const clock = testClock();
  const problem = new Problem("machine", { detail: "The database is gone." });
  const lost = () => Promise.reject(problem);
  const kept = openFolderStore(folder.path, { log: silentLog, clock });
  const store = { ...kept, claim: lost, certificates: { ...kept.certificates, read: lost } };
  const context = contextOf({ clock, store: () => Promise.resolve(store) });
  const certificates = ["a.example.com", "b.example.com"].map((name) => ({
    name,
    request: requestFor([name]),
    status: { failures: 0 },
  }));
  const options = { force: false, every: 0, max: 2, concurrency: 1, jitter: false };
  const run = { store, dryRun: false };
  const renewals = await renewPass({ certificates, broken: [] }, options, context, run);
  expect(renewals.map(({ name, outcome }) => [name, outcome])).toEqual([
    ["a.example.com", "failed"],
    ["b.example.com", "failed"],
  ]);
  expect(renewals.every((one) => one.problem === problem)).toBe(true);
});
