import { describe, expect, test } from "vitest";
import { dateFrom, dateOf } from "../src/dates.ts";

const now = new Date("2026-11-29T17:31:00Z");

describe("a date for people", () => {
  test.each([
    ["2027-01-28T17:31:42.123Z", "2027-01-28 17:31 UTC, in 60 days"],
    ["2026-11-30T18:00:00Z", "2026-11-30 18:00 UTC, in 24 hours"],
    ["2026-11-29T17:21:00Z", "2026-11-29 17:21 UTC, 10 minutes ago"],
  ])("is %s written as %s", (time, text) => {
    expect(dateFrom(now, time)).toBe(text);
  });

  test("has the offset of a time zone with summer time", () => {
    expect(dateOf("2027-01-28T17:31:42Z", "Europe/Berlin")).toBe("2027-01-28 18:31 Europe/Berlin");
    expect(dateOf("2027-07-28T17:31:42Z", "Europe/Berlin")).toBe("2027-07-28 19:31 Europe/Berlin");
  });
});
