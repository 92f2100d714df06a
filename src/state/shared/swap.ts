import { randomUUID } from "node:crypto";
import { inTurn } from "../folder/locks/locks.ts";

export interface Cell<T> {
  /** What `change` gets, and its revision; no revision while there is no row. */
  read(): Promise<{
    readonly value: T;
    readonly revision: string | undefined;
    /** Those before it, as far as they are known. */
    readonly earlier?: readonly string[] | undefined;
  }>;
  /** Replace the revision `before`; false when another run was faster. */
  write(value: T, revision: string, before: string | undefined): Promise<boolean>;
}

/**
 * Change a value by compare-and-swap. `change` may be called again when another run was faster. A connection that is lost
 * while the answer is on its way makes no second change: the revision then shows that the first one was made.
 */
export function swap<T>(
  key: string,
  cell: Cell<T>,
  change: (value: T) => T | Promise<T>,
): Promise<T> {
  // Changes by this process would otherwise disturb each other most.
  return inTurn(key, async () => {
    const mine = new Map<string | undefined, T>();
    for (;;) {
      const { value, revision: before, earlier = [] } = await cell.read();
      const done = [before, ...earlier].find((one) => mine.has(one));
      if (done !== undefined) return mine.get(done) ?? value;
      const changed = await change(value);
      const isSame = JSON.stringify(changed) === JSON.stringify(value);
      if (isSame && (before !== undefined || value === undefined)) return value;
      const revision = randomUUID();
      mine.set(revision, changed);
      if (await cell.write(changed, revision, before)) return changed;
    }
  });
}
