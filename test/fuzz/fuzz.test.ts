import { readdirSync } from "node:fs";
import { assert, asyncProperty, json, oneof, string, uint8Array } from "fast-check";
import { describe, expect, test } from "vitest";
import { changed, changes, seedsFolder, seedsOf } from "./inputs.ts";
import { targets } from "./targets.ts";

/** An input that takes longer than this, in milliseconds, is as good as a hang. */
const longest = 10_000;

/** Of random inputs; FUZZ_RUNS sets another number. */
const runsOf = (isSlow = false) => Number(process.env["FUZZ_RUNS"] ?? (isSlow ? 30 : 300));

describe.each(targets)("$name", ({ name, promise, words, check, slow }) => {
  const seeds = seedsOf({ name });
  const checkInTime = async (input: Buffer) => {
    const started = performance.now();
    await check(input);
    expect(performance.now() - started).toBeLessThan(longest);
  };

  test.each(seeds)(`${promise}: $file`, ({ bytes }) => checkInTime(bytes));

  test(`${promise}: random inputs near the seeds`, async () => {
    const bases = seeds.map(({ bytes }) => bytes);
    const property = asyncProperty(changes, (change) => checkInTime(changed(bases, change, words)));
    // On failure fast-check prints the seed, and the smallest input that fails.
    await assert(property, { numRuns: runsOf(slow) });
  });

  test(`${promise}: random bytes and texts`, async () => {
    const inputs = oneof(
      uint8Array({ maxLength: 300 }),
      string({ unit: "binary", maxLength: 300 }),
      json(),
    );
    const property = asyncProperty(inputs, (input) => checkInTime(Buffer.from(input)));
    await assert(property, { numRuns: Math.ceil(runsOf(slow) / 3) });
  });
});

test("every folder of seeds belongs to a target", () => {
  expect(readdirSync(seedsFolder).toSorted()).toEqual(targets.map(({ name }) => name).toSorted());
});
