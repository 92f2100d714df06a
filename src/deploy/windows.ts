import { Cron } from "croner";
import type { DeployWindow } from "../certificate.ts";
import { dateOf, zoneHere } from "../dates.ts";
import { nearest } from "../options/near.ts";
import { Problem } from "../problem.ts";

/** What remains of the lifetime when no window is waited for any more: a tenth. */
const near = 10;

/**
 * When the next window opens; undefined when one is open now, when there are none, or when the certificate would run out before
 * it is put to use.
 */
export function nextWindow(
  windows: readonly DeployWindow[],
  { notBefore, notAfter }: { notBefore: string; notAfter: string },
  now: Date,
): Date | undefined {
  const [begin, end] = [new Date(notBefore).getTime(), new Date(notAfter).getTime()];
  if (windows.length === 0 || end - now.getTime() < (end - begin) / near) return undefined;
  if (windows.some((window) => isOpen(window, now))) return undefined;
  const openings = windows.flatMap((window) => cronOf(window).nextRun(now) ?? []);
  const next = openings.toSorted((a, b) => a.getTime() - b.getTime())[0];
  return next === undefined || next.getTime() > end - (end - begin) / near ? undefined : next;
}

/** The opening of a window as people read it, in the window's own time zone. */
export function openingOf(opening: Date, windows: readonly DeployWindow[] = []): string {
  const before = new Date(opening.getTime() - 1);
  const opens = windows.find(
    (window) => cronOf(window).nextRun(before)?.getTime() === opening.getTime(),
  );
  return dateOf(opening, opens?.timeZone ?? zoneHere());
}

/** When the last of the windows that are open now ends; undefined if none is open. */
export function endOfOpen(windows: readonly DeployWindow[], now: Date): Date | undefined {
  const ends = windows.flatMap((window) => endOf(window, now) ?? []).filter((end) => end > now);
  return ends.toSorted((a, b) => b.getTime() - a.getTime())[0];
}

function isOpen(window: DeployWindow, now: Date): boolean {
  return endOfOpen([window], now) !== undefined;
}

/** Of its last opening: it may have opened again meanwhile. */
function endOf(window: DeployWindow, now: Date): Date | undefined {
  // croner counts in seconds, and leaves out the second that it is given.
  const latest = cronOf(window).previousRuns(2, new Date(now.getTime() + 1000));
  const opened = latest.find((opening) => opening <= now);
  return opened && new Date(opened.getTime() + window.duration);
}

/** A `config` Problem when the expression or the zone cannot be read. `place` is where it was found. */
export function assertWindow(window: DeployWindow, place: string): void {
  const { start, timeZone } = window;
  if (timeZone !== undefined && !isZone(timeZone)) {
    const near = nearest(timeZone, Intl.supportedValuesOf("timeZone"));
    throw new Problem("config", {
      detail: `${place}: "${timeZone}" is not a time zone.${near === undefined ? "" : ` Did you mean ${near}?`}`,
      hint: "Write a name of the IANA time zone database such as Europe/Berlin, or UTC.",
    });
  }
  const wrong = (why: string, cause?: unknown) =>
    new Problem("config", {
      detail: `${place}: "${start}" ${why}.`,
      hint: 'Write minute, hour, day, month and weekday, e.g. "0 2 * * 6" for Saturdays at 2.',
      cause,
    });
  try {
    if (cronOf(window).nextRun() !== null) return;
  } catch (cause) {
    throw wrong("is not a cron expression", cause);
  }
  throw wrong("names a time that never comes");
}

function isZone(name: string): boolean {
  try {
    void Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Never started: it is asked for times alone. */
function cronOf({ start, timeZone }: DeployWindow): Cron {
  const zone = timeZone === undefined ? {} : { timezone: timeZone };
  return new Cron(start, { paused: true, ...zone });
}
