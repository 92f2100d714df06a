/** What a run may use of the process, so that tests can bring their own. */
import type { Readable } from "node:stream";
import type { Clock } from "./clock.ts";
import type { TextStream } from "./output/colour.ts";

export interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  /** -1 on systems without user ids. */
  readonly uid: number;
  /** Version of Node.js, with its v. */
  readonly node: string;
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** Rejects with a Problem if stdout could not be written; resolves once it is. */
  readonly written?: (() => Promise<void>) | undefined;
  /** Its reason is a Problem of kind `interrupted`, or an uncaught error. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** On SIGHUP, call `listener` instead of stopping the run, until the function that is answered is called. */
  readonly onHangup?: ((listener: () => void) => () => void) | undefined;
}
