import { formatDuration } from "../options/duration.ts";
import type { InstalledProgram } from "./program.ts";
import type { Times } from "./times.ts";

/** What the scheduler runs. All paths are absolute. */
export interface Job {
  readonly program: InstalledProgram;
  readonly stateFolder: string;
  /** Absent when there is no config file and none was named. */
  readonly configPath?: string | undefined;
  /** Wait a random time before renewals. */
  readonly jitter: boolean;
  /** Variables for the run, one `NAME=value` a line. */
  readonly envFile?: string | undefined;
}

/** The words behind Node.js and its options. */
export function wordsOf(
  { program, stateFolder, configPath, jitter }: Job,
  { every }: Times,
): readonly string[] {
  const config = configPath === undefined ? [] : ["--config", configPath];
  const wait = jitter ? ["--jitter"] : [];
  const schedule = ["--every", formatDuration(every * 60_000), ...wait];
  return [program.script, "renew", "-q", ...schedule, "--state", stateFolder, ...config];
}
