import type { InstalledProgram } from "./program.ts";

/** What is run twice a day. All paths are absolute. */
export interface Job {
  readonly program: InstalledProgram;
  readonly stateFolder: string;
  /** Absent when there is no config file and none was named. */
  readonly configPath?: string;
  /** Variables for the run, one `NAME=value` a line. */
  readonly envFile?: string;
}

/** The words behind Node.js and its options. */
export function wordsOf({ program, stateFolder, configPath }: Job): readonly string[] {
  const config = configPath === undefined ? [] : ["--config", configPath];
  return [program.script, "renew", "-q", "--state", stateFolder, ...config];
}
