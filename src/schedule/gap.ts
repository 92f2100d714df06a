import { readFile } from "node:fs/promises";
import { parseDuration } from "../options/duration.ts";
import type { Foreign } from "./found.ts";

const minute = 60_000;
const day = 1440 * minute;

/** The longest time between two runs of a renewal set up by hand, in milliseconds; undefined when it cannot be read. */
export async function gapOf({ where, line }: Foreign): Promise<number | undefined> {
  const given = parseDuration(/\s--every[ =](\S+)/.exec(line)?.[1] ?? "");
  if (given !== undefined) return given;
  if (!where.endsWith(".service")) return gapOfLine(line);
  const timer = await readFile(where.replace(/service$/, "timer"), "utf8").catch(() => "");
  return gapOfTimer(timer);
}

/** By crontab(5). A system's crontab has a user before the command, which makes no difference here. */
function gapOfLine(line: string): number | undefined {
  const [first = "", hours = "", days, months, weekdays] = line.trim().split(/\s+/);
  if (first.startsWith("@")) return words[first.slice(1)];
  if (days !== "*" || months !== "*") return words["monthly"];
  const gap = gapInDay(first, hours);
  return gap === undefined || weekdays === "*" ? gap : words["weekly"];
}

/** By systemd.timer(5); a weekday in front of the time makes it weekly at worst. */
function gapOfTimer(text: string): number | undefined {
  const after = /^OnUnit(?:Active|Inactive)Sec=\s*(.+)$/m.exec(text)?.[1]?.replaceAll(" ", "");
  if (after !== undefined)
    return parseDuration(after.replace(/^\d+$/, "$&s").replaceAll(/(\d[smhdw])[a-z]+/g, "$1"));
  const calendar = /^OnCalendar=\s*(.+?)\s*$/m.exec(text)?.[1] ?? "";
  if (words[calendar] !== undefined) return words[calendar];
  const found = /^(?:(\w[\w,.]*) )?(?:\*-\*-\* )?([\d*][^: ]*):([^: ]+)(?::\S+)?$/.exec(calendar);
  if (found === null) return undefined;
  const [, weekdays, hours = "", minutes = ""] = found;
  const gap = gapInDay(minutes.replaceAll("..", "-"), hours.replaceAll("..", "-"));
  return gap === undefined || weekdays === undefined ? gap : words["weekly"];
}

const words: Readonly<Record<string, number>> = {
  minutely: minute,
  hourly: day / 24,
  daily: day,
  midnight: day,
  weekly: 7 * day,
  monthly: 31 * day,
};

/** The longest time between two runs of a daily schedule, across midnight too. */
function gapInDay(minutes: string, hours: string): number | undefined {
  const [inHour, inDay] = [valuesOf(minutes, 60), valuesOf(hours, 24)];
  const runs = inDay?.flatMap((hour) => inHour?.map((one) => hour * 60 + one) ?? []) ?? [];
  const [first] = runs;
  if (first === undefined) return undefined;
  const next = [...runs.slice(1), first + 1440];
  return minute * Math.max(...runs.map((run, index) => (next[index] ?? run) - run));
}

/** The values of a field below `end`, sorted: `*`, `3,15`, `2-59/5`, `0/15`. */
function valuesOf(field: string, end: number): readonly number[] | undefined {
  const values = new Set<number>();
  for (const part of field.split(",")) {
    const found = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
    if (found === null) return undefined;
    const [, from, to, step] = found;
    const single = from !== undefined && to === undefined && step === undefined;
    const last = single ? Number(from) : Number(to ?? end - 1);
    for (let value = Number(from ?? 0); value <= last; value += Number(step ?? 1)) {
      values.add(value);
      if (step === "0") return undefined;
    }
  }
  return [...values].filter((value) => value < end).toSorted((a, b) => a - b);
}
