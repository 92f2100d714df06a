/** Dates and times as people read them. Documents for machines have ISO 8601 instead. */

/** `2027-01-28 17:31 UTC, in 59 days`. */
export function dateFrom(now: Date, time: Date | string, timeZone = "UTC"): string {
  return `${dateOf(time, timeZone)}, ${timeFrom(now, new Date(time))}`;
}

/** `2027-01-28 17:31 UTC`, or `2027-01-28 18:31 Europe/Berlin`. */
export function dateOf(time: Date | string, timeZone = "UTC"): string {
  // Intl loads its tables at first use, and takes 30 ms.
  if (timeZone === "UTC")
    return `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  // Swedish dates are ISO 8601's.
  const format = { dateStyle: "short", timeStyle: "short", timeZone } as const;
  return `${new Intl.DateTimeFormat("sv", format).format(new Date(time))} ${timeZone}`;
}

/** The time zone of this machine. For an empty TZ, Node.js names "Etc/Unknown", and none for an invalid one: both are UTC. */
export function zoneHere(): string {
  // Not what its type says: it can be undefined.
  const { timeZone }: { timeZone?: string } = Intl.DateTimeFormat().resolvedOptions();
  return timeZone === undefined || timeZone === "Etc/Unknown" ? "UTC" : timeZone;
}

/** `in 89 days`, `in 5 hours`, `2 days ago`, `in 10 minutes`. */
export function timeFrom(now: Date, then: Date): string {
  const milliseconds = then.getTime() - now.getTime();
  const text = durationOf(Math.abs(milliseconds));
  return milliseconds > 0 ? `in ${text}` : `${text} ago`;
}

/** `89 days`, `5 hours`, `10 minutes`. */
export function durationOf(milliseconds: number): string {
  const hours = milliseconds / 3_600_000;
  if (hours < 2) return count(Math.max(1, Math.floor(hours * 60)), "minute");
  return hours < 48 ? count(Math.floor(hours), "hour") : count(Math.floor(hours / 24), "day");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
