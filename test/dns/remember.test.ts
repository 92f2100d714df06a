import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { remembered } from "../../src/dns/remember.ts";
import { createLimit } from "../../src/limit.ts";

test("a limit runs at most the given number of tasks at once, and all of them although some fail", async () => {
  const limit = createLimit(3);
  let running = 0;
  let most = 0;
  const work = Array.from({ length: 20 }, (_, n) =>
    limit(async () => {
      most = Math.max(most, ++running);
      await turn();
      running--;
      if (n % 4 === 0) throw new Error("refused");
      return n;
    }),
  );
  const results = await Promise.allSettled(work);
  expect(most).toBe(3);
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(15);
});

test("a remembered answer is asked for once per run, a failure is asked for again, and an aborted run does not affect others", async () => {
  let calls = 0;
  const find = remembered(60_000, async (key, signal) => {
    calls++;
    await turn();
    signal.throwIfAborted();
    if (calls === 1) throw new Error("first time");
    return `${key} found`;
  });
  const one = new AbortController();
  const two = new AbortController();
  await expect(find("zone", one.signal)).rejects.toThrow("first time");
  const ended = find("zone", one.signal);
  const shared = [find("zone", two.signal), find("zone", two.signal)];
  one.abort(new Error("Ctrl-C"));
  await expect(ended).rejects.toThrow("Ctrl-C");
  expect(await Promise.all(shared)).toEqual(["zone found", "zone found"]);
  expect(calls).toBe(3);
  await find("zone", two.signal);
  expect(calls).toBe(3);
});
