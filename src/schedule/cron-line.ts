import { type Job, wordsOf } from "./job.ts";
import { cronTimes, type Times } from "./times.ts";

/** Marks a line as ours; a comment to the shell. */
export const mark = "# acmectl schedule";

/** cron's own PATH lacks the folders of web servers and systemctl on many systems. */
const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The line of a crontab. */
export function cronLine(job: Job, times: Times): string {
  const { node, nodeOptions } = job.program;
  const variables = job.envFile === undefined ? [] : [`--env-file=${job.envFile}`];
  const words = [node, ...nodeOptions, ...variables, ...wordsOf(job, times)].map((word) =>
    quoted(word),
  );
  return `${cronTimes(times)} PATH=${path} ${words.join(" ")} ${mark}`;
}

/** For the shell, and for cron, to which a bare percent sign ends the line. */
function quoted(word: string): string {
  const shell = /^[\w@+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
  return shell.replaceAll("%", "\\%");
}
