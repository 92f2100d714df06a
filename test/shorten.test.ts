import { expect, test } from "vitest";
import { firstWords, lastWords } from "../src/shorten.ts";

test.each([
  ["one two three", 13, "one two three", "one two three"],
  ["one two three", 9, "one two …", "… two three"],
  ["one two three", 8, "one two …", "… three"],
  ["one two three", 4, "one …", "…"],
  ["onetwothree", 4, "…", "…"],
])("%j in %i characters is cut between words", (text, longest, first, last) => {
  expect([firstWords(text, longest), lastWords(text, longest)]).toEqual([first, last]);
});
