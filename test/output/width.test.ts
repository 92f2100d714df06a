import { expect, test } from "vitest";
import { columnsFor } from "../../src/output/text.ts";

test.each([
  ["example.com", 11],
  ["", 0],
  ["münchen.example", 15],
  ["mu\u0308nchen", 7],
  ["例え.テスト", 11],
  ["한국", 4],
  ["👍", 2],
  ["👩‍👩‍👧", 2],
  ["🇩🇪", 2],
  ["a\u200Bb", 2],
])("%s needs %i columns", (text, columns) => {
  expect(columnsFor(text)).toBe(columns);
});
