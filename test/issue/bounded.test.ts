import { expect, test } from "vitest";
import { boundedSolver } from "../../src/issue/bounded.ts";
import { challengeFor } from "../../src/testing.ts";
import type { Http01Challenge } from "../../src/plugin.ts";

const limits = { call: 40, cleanup: 40, close: 40, grace: 10 };
const challenge = challengeFor("http-01", "a.example.test");
const never = () => new Promise<never>(() => undefined);
const call = () => ({ signal: new AbortController().signal });

test("a solver that never answers is told to stop, and named", async () => {
  let told: unknown;
  const solver = boundedSolver(
    "hang",
    {
      present: (_: Http01Challenge, { signal }) => {
        signal.addEventListener("abort", () => (told = signal.reason));
        return never();
      },
      cleanup: never,
      preflight: never,
      close: never,
    },
    limits,
  );
  await expect(solver.present(challenge, call())).rejects.toThrow(
    "Solver hang did not present http-01 for a.example.test",
  );
  expect(told).toBeDefined();
  await expect(solver.cleanup(challenge, undefined, call())).rejects.toThrow(
    "Solver hang did not clean up",
  );
  await expect(solver.preflight?.([], call())).rejects.toThrow("Solver hang did not check itself");
  await expect(solver.close?.()).rejects.toThrow("Solver hang did not close");
});

test("a solver that was told to stop may end what it has begun", async () => {
  const stop = new AbortController();
  const solver = boundedSolver(
    "slow",
    {
      present: (_: Http01Challenge, { signal }) =>
        new Promise((resolve) =>
          signal.addEventListener("abort", () => setTimeout(() => resolve("undo me"), 5)),
        ),
      cleanup: () => Promise.resolve(),
    },
    { ...limits, grace: 500 },
  );
  const presenting = solver.present(challenge, { signal: stop.signal });
  stop.abort(new Error("Ctrl-C"));
  expect(await presenting).toBe("undo me");
});
