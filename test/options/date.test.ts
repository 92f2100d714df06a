import { expect, test } from "vitest";
import { parseDate } from "../../src/options/date.ts";

test.each([
  ["2027-01-31", "2027-01-31T00:00:00.000Z"],
  ["2027-01-31T12:00:00Z", "2027-01-31T12:00:00.000Z"],
  ["2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00.000Z"],
])("%s is the time %s", (text, time) => {
  expect(parseDate(text)?.toISOString()).toBe(time);
});

test.each(["soon", "2027", "2027-02-30", "2027-13-01", "2027-01-31T12:00:00", "2027-01-31 12:00"])(
  "%s is not a date, and no time without a zone is one",
  (text) => {
    expect(parseDate(text)).toBeUndefined();
  },
);
