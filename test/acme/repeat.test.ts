import { describe, expect, test } from "vitest";
import { repeat } from "../../src/acme/transport/repeat.ts";
import { Problem, type ProblemKind } from "../../src/problem.ts";
import { recordingLog } from "../../src/testing.ts";
import { quickClock, signal } from "./world.ts";

const start = new Date("2026-06-01T00:00:00Z");

/** What a task that always fails so costs: the pauses between its attempts. */
async function pausesAfter(error: unknown) {
  const clock = quickClock(start);
  const log = recordingLog();
  let attempts = 0;
  const task = () => {
    attempts += 1;
    return Promise.reject(error);
  };
  await expect(repeat(task, signal, { clock, log })).rejects.toBe(error);
  expect(attempts).toBe(clock.slept.length + 1);
  expect(log.entries).toHaveLength(clock.slept.length);
  return clock.slept;
}

function problem(kind: ProblemKind, status?: number, seconds?: number): Problem {
  const retryAt = seconds === undefined ? undefined : new Date(start.getTime() + seconds * 1_000);
  const cause = Object.assign(new Error("reset"), { code: "ECONNRESET" });
  return new Problem(kind, { detail: "It failed.", status, retryAt, cause });
}

describe("a request that does no harm twice is sent again", () => {
  test.each([
    ["after a network failure", problem("network"), [250, 1_000]],
    ["after a status 500", problem("protocol", 500), [250, 1_000]],
    ["after Retry-After", problem("protocol", 503, 5), [5_000, 1_000]],
    ["after a Retry-After of ten seconds", problem("protocol", 503, 10), [10_000, 1_000]],
    [
      "after a short Retry-After, but no sooner than usual",
      problem("protocol", 503, 0.1),
      [250, 1_000],
    ],
    ["after a rate limit that ends in seconds", problem("limit", 429, 2), [2_000, 1_000]],
  ])("%s", async (_, error, pauses) => {
    expect(await pausesAfter(error)).toEqual(pauses);
  });

  test("until it succeeds, and its failure is in the log", async () => {
    const log = recordingLog();
    const failures: unknown[] = [problem("network")];
    const task = () => (failures.length > 0 ? Promise.reject(failures.pop()) : Promise.resolve(7));
    expect(await repeat(task, signal, { clock: quickClock(), log })).toBe(7);
    expect(log.entries).toEqual([
      { level: "debug", message: "It failed. Asking again in 250 ms.", fields: {} },
    ]);
  });
});

describe("a request is not sent again", () => {
  test.each([
    [
      "after a longer Retry-After, so that the run does not sleep",
      problem("protocol", 503, 10.001),
    ],
    ["after a rate limit without an end", problem("limit", 429)],
    ["after a refusal", problem("protocol", 400)],
    ["after a status 499", problem("protocol", 499)],
    [
      "after a network failure that will not pass",
      new Problem("network", { detail: "It failed." }),
    ],
    ["after a bug", new TypeError("x is undefined")],
  ])("%s", async (_, error) => {
    expect(await pausesAfter(error)).toEqual([]);
  });

  test("when the run is stopped while it waits", async () => {
    const stop = new AbortController();
    const clock = { ...quickClock(), sleep: async () => stop.signal.throwIfAborted() };
    const task = () => {
      stop.abort(new Error("Ctrl-C"));
      return Promise.reject(problem("network"));
    };
    await expect(repeat(task, stop.signal, { clock, log: recordingLog() })).rejects.toThrow(
      "Ctrl-C",
    );
  });
});
