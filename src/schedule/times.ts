/** When the schedule runs: twice a day, twelve hours apart, at a moment of this machine's own. */
export interface Times {
  /** 0 to 11; and twelve hours later. */
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** Chosen at random, so that not all of the world asks the CA at midnight. */
export function randomTimes(random: () => number): Times {
  return {
    hour: Math.floor(random() * 12),
    minute: Math.floor(random() * 60),
    second: Math.floor(random() * 60),
  };
}

/** `*-*-* 03,15:27:41`, as systemd.time(7) has it. */
export function onCalendar({ hour, minute, second }: Times): string {
  return `*-*-* ${two(hour)},${two(hour + 12)}:${two(minute)}:${two(second)}`;
}

/** The times in a unit that `onCalendar` wrote. */
export function timesOfCalendar(text: string): Times | undefined {
  const found = /^OnCalendar=\*-\*-\* (\d\d),\d\d:(\d\d):(\d\d)$/m.exec(text);
  if (found === null) return undefined;
  return { hour: Number(found[1]), minute: Number(found[2]), second: Number(found[3]) };
}

/** `27 3,15 * * *`, as crontab(5) has it. */
export function cronTimes({ hour, minute }: Times): string {
  return `${minute} ${hour},${hour + 12} * * *`;
}

/** The times in a line that `cronTimes` began. */
export function timesOfLine(line: string): Times | undefined {
  const found = /^(\d+) (\d+),\d+ \* \* \* /.exec(line);
  if (found === null) return undefined;
  return { hour: Number(found[2]), minute: Number(found[1]), second: 0 };
}

/** The next time that cron acts on it, by this machine's own time zone. */
export function nextAfter({ hour, minute }: Times, now: Date): Date {
  for (let half = 0; ; half += 1) {
    const next = new Date(now);
    next.setHours(hour + 12 * half, minute, 0, 0);
    if (next > now) return next;
  }
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
