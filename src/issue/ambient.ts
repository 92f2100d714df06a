import type { Clock } from "../clock.ts";
import type { Log } from "../plugin.ts";

/** What surrounds a run: a command's context has all of it. */
export interface Ambient {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly stateFolder: string;
  /** By plugin and option: texts given by flag. */
  readonly solverFlags: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly mask: (secret: string) => void;
  /** The text without any secret that was registered, for what is kept. */
  readonly redact: (text: string) => string;
}
