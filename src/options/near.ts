/** The name that a misspelt one was probably meant to be. */
import { closest, distance } from "fastest-levenshtein";

/** The known name that differs by its dashes or letter case alone, else by a few letters; undefined when none is near. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  const same = known.find((name) => plain(name) === plain(written));
  if (same !== undefined || known.length === 0) return same;
  const near = closest(written, [...known]);
  const most = Math.min(Math.max(2, near.length / 3), near.length / 2);
  return distance(written, near) <= most ? near : undefined;
}

function plain(name: string): string {
  return name.replaceAll(/[-_\s]/gu, "").toLowerCase();
}
