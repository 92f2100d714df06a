import { expect, test } from "vitest";
import { openPace } from "../../src/acme/transport/pace.ts";
import { testClock } from "../support/clock.ts";

const never = new AbortController().signal;

test("requests go out at once up to the limit, then evenly", async () => {
  const clock = testClock();
  const start = clock.monotonic();
  const turn = openPace({ most: 4, per: 1000 }, clock);
  const times: number[] = [];
  for (let count = 0; count < 12; count += 1) {
    await turn(never);
    times.push(clock.monotonic() - start);
  }
  expect(times.map(Math.round)).toEqual([0, 0, 0, 0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]);
  await clock.sleep(10_000, never);
  const later = clock.monotonic();
  for (let count = 0; count < 4; count += 1) await turn(never);
  expect(clock.monotonic()).toBe(later);
});

test("without a limit no request waits, and a run that is stopped does not", async () => {
  const clock = testClock();
  const start = clock.monotonic();
  const free = openPace(undefined, clock);
  for (let count = 0; count < 100; count += 1) await free(never);
  expect(clock.monotonic()).toBe(start);
  const turn = openPace({ most: 1, per: 60_000 }, clock);
  await turn(never);
  await expect(turn(AbortSignal.abort(new Error("stopped")))).rejects.toThrow("stopped");
});
