import { expect, test } from "vitest";
import { boundedSolver, solverProblem } from "../../src/solvers/bounded.ts";
import { challengeFor } from "../../src/testing.ts";
import type { Http01Challenge } from "../../src/plugin.ts";
import { Problem } from "../../src/problem.ts";

const limits = { call: 40, cleanup: 40, close: 40, grace: 10 };
const challenge = challengeFor("http-01", "a.example.test");
const never = () => new Promise<never>(() => undefined);
const call = () => ({ signal: new AbortController().signal });

test("a solver that never answers is aborted, and the Problem names it", async () => {
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

test("an aborted solver may finish what it has begun", async () => {
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

test("every call reaches the solver with its arguments, and only methods that the solver has exist", async () => {
  const seen: unknown[] = [];
  const given = boundedSolver("all", {
    preflight: async (targets) => void seen.push(["preflight", targets]),
    present: async ({ token }) => `receipt of ${token}`,
    cleanup: async (_, receipt) => void seen.push(["cleanup", receipt]),
    presentAll: async (challenges) => challenges.map(({ token }) => token),
    cleanupAll: async (items) => void seen.push(["cleanupAll", items.length]),
    checkPropagation: async (_, receipt) => receipt === "live",
    close: async () => void seen.push(["close"]),
  });
  await given.preflight?.([], call());
  expect(await given.present(challenge, call())).toBe(`receipt of ${challenge.token}`);
  await given.cleanup(challenge, "receipt", call());
  expect(await given.presentAll?.([challenge], call())).toEqual([challenge.token]);
  await given.cleanupAll?.([{ challenge, receipt: undefined }], call());
  expect(await given.checkPropagation?.(challenge, "live", call())).toBe(true);
  expect(await given.checkPropagation?.(challenge, "not yet", call())).toBe(false);
  await given.close?.();
  expect(seen).toEqual([["preflight", []], ["cleanup", "receipt"], ["cleanupAll", 1], ["close"]]);
  const least = boundedSolver("least", { present: never, cleanup: never });
  expect(Object.keys(least).toSorted()).toEqual(["cleanup", "close", "present"]);
  await least.close?.();
});

test("an error of a solver becomes a Problem, and a Problem of its own stays as it is", () => {
  const own = new Problem("machine", { detail: "port 80 is taken" });
  expect(solverProblem("Solver cf was not created", own)).toBe(own);
  const { identifier } = challenge;
  const foreign = solverProblem("Solver cf was not created", "no reason", identifier);
  expect(foreign.document).toMatchObject({
    detail: "Solver cf was not created: no reason",
    identifier,
  });
  expect(foreign.exitCode).toBe(7);
});
