/** A moment for people: where they are, and how far away. */

/** `2026-03-01 14:05:00 GMT+1, in 2 hours`. The time zone is the machine's when none is given. */
export function atAndIn(at: Date, now: Date, timeZone: string | undefined): string {
  if (Number.isNaN(at.getTime())) return "at an unknown time";
  return `${localTime(at, timeZone)}, ${distance(at.getTime() - now.getTime())}`;
}

function localTime(at: Date, timeZone: string | undefined): string {
  const options = {
    dateStyle: "short",
    timeStyle: "long",
  } as const;
  try {
    return new Intl.DateTimeFormat("sv-SE", { ...options, timeZone }).format(at);
  } catch {
    // TZ may hold what only the C library understands, such as a path.
    return new Intl.DateTimeFormat("sv-SE", options).format(at);
  }
}

const smallest = ["second", 1] as const;
const units = [["day", 86_400], ["hour", 3600], ["minute", 60], smallest] as const;

function distance(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= 2 * size) ?? smallest;
  const format = new Intl.RelativeTimeFormat("en", { numeric: "always" });
  return format.format(Math.round(seconds / size), unit);
}
