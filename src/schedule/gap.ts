import { readFile } from "node:fs/promises";
import { Cron } from "croner";
import { parseDuration } from "../options/duration.ts";
import type { Foreign } from "./found.ts";

/** The longest time between two runs of a renewal set up by hand, in milliseconds; undefined when it cannot be read. */
export async function gapOf({ where, line }: Foreign): Promise<number | undefined> {
  const given = parseDuration(/\s--every[ =](\S+)/.exec(line)?.[1] ?? "");
  if (given !== undefined) return given;
  if (where.endsWith(".service")) {
    const timer = await readFile(where.replace(/service$/, "timer"), "utf8").catch(() => "");
    return gapOfTimer(timer);
  }
  // A system's crontab has a user before the command, which makes no difference here.
  const fields = line.trim().split(/\s+/);
  return gapOfCron(line.trim().startsWith("@") ? (fields[0] ?? "") : fields.slice(0, 5).join(" "));
}

/** By systemd.timer(5). */
function gapOfTimer(text: string): number | undefined {
  const after = /^OnUnit(?:Active|Inactive)Sec=\s*(.+)$/m.exec(text)?.[1]?.replaceAll(" ", "");
  if (after !== undefined)
    return parseDuration(after.replace(/^\d+$/, "$&s").replaceAll(/(\d[smhdw])[a-z]+/g, "$1"));
  const calendar = /^OnCalendar=\s*(.+?)\s*$/m.exec(text)?.[1] ?? "";
  if (calendar === "minutely") return 60_000;
  if (/^[a-z]+$/.test(calendar)) return gapOfCron(`@${calendar}`);
  const found = /^(?:(\w[\w,.]*) )?(?:\*-\*-\* )?([\d*][^: ]*):([^: ]+)(?::\S+)?$/.exec(calendar);
  if (found === null) return undefined;
  const [, weekdays = "*", hours = "", minutes = ""] = found;
  const times = `${repeated(minutes, 59)} ${repeated(hours, 23)}`;
  return gapOfCron(`${times} * * ${weekdays}`.replaceAll("..", "-"));
}

/** `2/5` of systemd is `2-59/5` of cron. */
function repeated(field: string, last: number): string {
  return field.replaceAll(/(?<=^|,)(\d+)\//g, `$1-${last}/`);
}

/** More than a day has minutes, so that the longest gap of a usual schedule is among them. */
const runs = 1500;

function gapOfCron(expression: string): number | undefined {
  try {
    const cron = new Cron(expression, { paused: true, utcOffset: 0 });
    const times = cron.nextRuns(runs, new Date(0)).map(Number);
    return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)));
  } catch {
    return undefined;
  }
}
