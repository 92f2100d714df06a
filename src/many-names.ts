/** What is said when a step is done for many names: a few lines for all of them, and one for each with --verbose. */
import type { Clock } from "./clock.ts";
import type { Log } from "./plugin.ts";

export interface Group {
  /** How many names are still waited for. */
  left: number;
  readonly isOne: boolean;
  /** True at most every 15 seconds for all names together; the first time at once, or with `later` after 15 seconds. */
  mayReport(what: string, when?: { later: boolean }): boolean;
}

/** Milliseconds. */
const reportInterval = 15_000;

export function openGroup(count: number, clock: Clock): Group {
  const last = new Map<string, number>();
  const start = clock.monotonic();
  return {
    left: count,
    isOne: count === 1,
    mayReport(what, { later } = { later: false }) {
      const now = clock.monotonic();
      const before = last.get(what) ?? (later ? start : -Infinity);
      if (now - before < reportInterval) return false;
      last.set(what, now);
      return true;
    },
  };
}

/** Warnings of the same kind about several names: if there are many, only the first one is shown. */
export function warnAll(
  warnings: readonly { readonly name: string; readonly text: string }[],
  logOf: (name: string) => Log,
): void {
  const shown = warnings.length > 3 ? 1 : warnings.length;
  for (const [index, { name, text }] of warnings.entries()) {
    const log = logOf(name);
    const more = shown < warnings.length ? ` (and ${warnings.length - shown} other names)` : "";
    if (index < shown) log.warn(`${text}${more}; asking the CA anyway`);
    else log.debug(`${text}; asking the CA anyway`);
  }
}

/** `a, b, c`, or `a, b, c and 98 more`. */
export function shortList(names: readonly string[]): string {
  if (names.length <= 5) return names.join(", ");
  return `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}

/** How long something was waited for, and how long at most: `16 s of 120 s`. */
export function timeOf(waited: number, most: number): string {
  return `${Math.round(waited / 1000)} s of ${Math.round(most / 1000)} s`;
}
