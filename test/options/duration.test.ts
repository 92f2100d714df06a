import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../src/options/duration.ts";

test.each([
  ["0", 0],
  ["250ms", 250],
  ["90s", 90_000],
  ["5m", 300_000],
  ["1h30m", 5_400_000],
  ["10d", 864_000_000],
  ["2w", 1_209_600_000],
])("%s is %i milliseconds", (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each(["", "60", "1.5h", "-5m", "5 m", "m5", "5M", "five minutes", "99999999999d", "Infinity"])(
  "%j is not a duration",
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

test.each([0, 1, 1500, 90_000, 5_400_000, 864_000_000])(
  "%i milliseconds are read back as they were written",
  (milliseconds) => {
    expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
  },
);
