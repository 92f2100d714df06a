/** Durations as people write them. */

const units = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

export const durationPattern = "^(0|(\\d{1,9}(ms|[wdhms]))+)$";

/** `90s`, `5m`, `1h30m`, `10d` in milliseconds; undefined when it is not one. Only 0 goes without a unit. */
export function parseDuration(text: string): number | undefined {
  const written = text.trim();
  if (!new RegExp(durationPattern).test(written)) return undefined;
  let total = 0;
  for (const [, count, unit] of written.matchAll(/(\d+)(ms|[wdhms])/g)) {
    total += Number(count) * (isUnit(unit) ? units[unit] : 0);
  }
  return Number.isSafeInteger(total) ? total : undefined;
}

/** Milliseconds in the largest units that say it exactly: 5400000 → `1h30m`. */
export function formatDuration(milliseconds: number): string {
  let rest = milliseconds;
  let text = "";
  for (const [unit, length] of Object.entries(units)) {
    if (unit === "w" || rest < length) continue;
    text += `${Math.floor(rest / length)}${unit}`;
    rest %= length;
  }
  return text === "" ? "0" : text;
}

function isUnit(text: string | undefined): text is keyof typeof units {
  return text !== undefined && Object.hasOwn(units, text);
}
