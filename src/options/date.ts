/** A day alone is its midnight in UTC; a time needs its zone, as in RFC 3339. Undefined for anything else. */
export function parseDate(text: string): Date | undefined {
  const form = /^(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?$/;
  const [, day] = form.exec(text) ?? [];
  if (day === undefined) return undefined;
  const [date, start] = [new Date(text), new Date(day)];
  if (Number.isNaN(date.getTime()) || Number.isNaN(start.getTime())) return undefined;
  // JavaScript reads February 30 as March 2.
  return start.toISOString().startsWith(day) ? date : undefined;
}

/** For hints. */
export const dateForm =
  "Write a date such as 2027-01-31, or with time and zone 2027-01-31T12:00:00Z";
