/** When the schedule runs, at a moment of this machine's own. */
export interface Times {
  /** One of `intervals`. */
  readonly every: number;
  /** Below the interval. */
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** Minutes between two runs: those that cron and systemd can both express, so that every day is the same. */
export const intervals: readonly number[] = [720, 360, 240, 180, 120, 60, 30, 15, 10, 5, 1];

/** Chosen at random, so that not all of the world asks the CA at midnight. */
export function randomTimes(random: () => number): Omit<Times, "every"> {
  return {
    hour: Math.floor(random() * 12),
    minute: Math.floor(random() * 60),
    second: Math.floor(random() * 60),
  };
}

/** The same moment within another interval. */
export function timesEvery(every: number, { hour, minute, second }: Omit<Times, "every">): Times {
  return {
    every,
    hour: hour % Math.max(1, every / 60),
    minute: minute % Math.min(60, every),
    second,
  };
}

/** `*-*-* 03,15:27:41` or `*-*-* *:02/5:41`, as systemd.time(7) has it. */
export function onCalendar(times: Times): string {
  const { every, minute, second } = times;
  const minutes = every < 60 ? `${two(minute)}/${every}` : two(minute);
  return `*-*-* ${hoursOf(times).map(two).join(",") || "*"}:${minutes}:${two(second)}`;
}

/** `27 3,15 * * *` or `2-59/5 * * * *`, as crontab(5) has it. */
export function cronTimes(times: Times): string {
  const { every, minute } = times;
  const minutes = every < 60 ? `${minute}-59/${every}` : String(minute);
  return `${minutes} ${hoursOf(times).join(",") || "*"} * * *`;
}

/** Empty when every hour is the same. */
function hoursOf({ every, hour }: Times): readonly number[] {
  if (every <= 60) return [];
  return Array.from({ length: 1440 / every }, (_, index) => hour + (index * every) / 60);
}

/** The times in a unit that `onCalendar` wrote. */
export function timesOfCalendar(text: string): Times | undefined {
  const found = /^OnCalendar=\*-\*-\* ([\d,]+|\*):(\d\d)(?:\/(\d+))?:(\d\d)$/m.exec(text);
  if (found === null) return undefined;
  const [, hours = "", minute, step, second] = found;
  return timesOf(hours, Number(minute), step, Number(second));
}

/** The times in a line that `cronTimes` began. */
export function timesOfLine(line: string): Times | undefined {
  const found = /^(\d+)(?:-59\/(\d+))? ([\d,]+|\*) \* \* \* /.exec(line);
  if (found === null) return undefined;
  const [, minute, step, hours = ""] = found;
  return timesOf(hours, Number(minute), step, 0);
}

function timesOf(
  hours: string,
  minute: number,
  step: string | undefined,
  second: number,
): Times | undefined {
  const listed = hours === "*" ? [] : hours.split(",").map(Number);
  const every = listed.length === 0 ? Number(step ?? 60) : 1440 / listed.length;
  return intervals.includes(every) ? { every, hour: listed[0] ?? 0, minute, second } : undefined;
}

/** The next time that cron acts on it, by this machine's own time zone. */
export function nextAfter({ every, hour, minute }: Times, now: Date): Date {
  for (let run = 0; ; run += 1) {
    const next = new Date(now);
    next.setHours(hour, minute + run * every, 0, 0);
    if (next > now) return next;
  }
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
