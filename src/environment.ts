/** What a run may touch of the process, so that tests can bring their own. */
import type { Readable } from "node:stream";
import type { Clock } from "./clock.ts";
import type { CommandSource } from "./commands/definitions.ts";
import type { Config } from "./config/config.ts";
import type { TextStream } from "./output/colour.ts";
import type { SolverPlugin } from "./plugin.ts";

export interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  /** -1 where there are no user ids. */
  readonly uid: number;
  /** Version of Node.js, with its v. */
  readonly node: string;
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** Its reason is a Problem of kind `interrupted`, or what was thrown where nobody could catch it. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** What main is made of; tests bring their own. */
export interface Parts {
  readonly commands?: CommandSource;
  readonly loadSolver?: (
    name: string,
    from: { cwd: string },
  ) => Promise<{ plugin: SolverPlugin; name: string }>;
  readonly loadConfig?: (path: string, reading: { explicit: boolean }) => Promise<Config>;
}

export interface Run {
  readonly argv: readonly string[];
  readonly environment: Environment;
  readonly parts: Parts;
  /** What `--version` prints. */
  readonly versions: string;
}
