import type { RequestRecord } from "../../../src/test-ca/test-ca.ts";
import type { DatabaseSeen } from "./postgres.ts";
import type { StateSeen } from "./state.ts";
import type { Surroundings } from "./surroundings.ts";

/** One run, with all that a test can see of it from outside. */
export interface RunSeen {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The text of the config file, if there is one. */
  readonly config: string;
  /** Null for a run that was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly before: StateSeen;
  readonly after: StateSeen;
  /** What the embedded CA was asked meanwhile, and all that it was ever asked. */
  readonly ca?: {
    readonly asked: readonly RequestRecord[];
    readonly ever: readonly RequestRecord[];
  };
  /** False when another run worked with the same state or CA meanwhile. */
  readonly alone: boolean;
  /** Of a run inside the test's process. */
  readonly surroundings?: Surroundings | undefined;
  /** Of a run that was a process of its own: programs that it has left, by their words. */
  readonly left?: readonly string[] | undefined;
  /** Of a run whose state is in PostgreSQL. */
  readonly database?: DatabaseSeen | undefined;
  readonly heldBefore?: DatabaseSeen["held"] | undefined;
}

/** Answers a sentence for each fault. */
export type Rule = (run: RunSeen) => readonly string[];
