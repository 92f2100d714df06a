/** What fault tests share: how many faults of which kind a run of the tests has survived, and faults drawn by a seed. */
import { appendFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether a test goes through all faults, and not through a sample. */
export const isWhole = process.env["ACMECTL_ALL_FAULTS"] !== undefined;

/** Milliseconds of a test that goes through faults. */
export const patience = isWhole ? 4 * 3_600_000 : 300_000;

/** Read by `test/support/temporary.ts`, which prints the sums. */
export function survived(kind: string, count: number): void {
  appendFileSync(join(tmpdir(), "survived"), `${JSON.stringify({ kind, count })}\n`);
}

/**
 * All items if ACMECTL_ALL_FAULTS is set. Else at most so many, drawn by ACMECTL_SEED: of each kind one, while there is room.
 * Two draws from lists that are alike differ by their name.
 */
export function drawn<T>(
  items: readonly T[],
  most: number,
  kindOf: (item: T) => string,
  name = "",
): T[] {
  if (isWhole) return [...items];
  const salt = Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) % 65_536, 0);
  const random = randomOf(Number(process.env["ACMECTL_SEED"] ?? 1) + salt);
  const shuffled = items.map((item) => ({ item, at: random() })).toSorted((x, y) => x.at - y.at);
  const kinds = new Set<string>();
  const isFirst = (item: T) => kinds.size < kinds.add(kindOf(item)).size;
  const [first = [], others = []] = Object.values(
    Object.groupBy(shuffled, ({ item }) => (isFirst(item) ? "a first" : "other")),
  );
  return [...first, ...others].slice(0, most).map(({ item }) => item);
}

/** Steps from one fault to the next, in a walk whose end is not known: one if ACMECTL_ALL_FAULTS is set, else one to five. */
export function strides(name: string): () => number {
  const random = randomOf(Number(process.env["ACMECTL_SEED"] ?? 1) + name.length);
  return () => (isWhole ? 1 : 1 + Math.floor(random() * 5));
}

/** Mulberry32: numbers from 0 to 1 that follow from the seed. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
