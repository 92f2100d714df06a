import { isDeepStrictEqual } from "node:util";
import { Problem } from "../problem.ts";

export function verified(isGood: boolean): "copied" {
  if (isGood) return "copied";
  throw new Problem("machine", {
    detail: "It was written, and read back as something else.",
    hint: "Run the copy again; if it fails again, check the new state.",
  });
}

/** As JSON, so that what is absent equals what is undefined. */
export function isSame(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(plain(one), plain(other));
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
