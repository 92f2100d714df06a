import type { CertificateRequest } from "../certificate.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../plugin.ts";
import type { Store } from "../state/store.ts";
import type { OncePerRun } from "./once.ts";

/** All that hooks and deploy steps may touch. */
export interface DeployTools {
  readonly store: Store;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What a relative `file:` of a secret is relative to; absolute. */
  readonly cwd: string;
  readonly mask: (secret: string) => void;
  /** The text without the secrets given to `mask`. */
  readonly redact?: (text: string) => string;
  /** All of the run: commands get no variable that any of them reads a secret from. */
  readonly requests?: readonly CertificateRequest[];
  /** One for the whole run, shared by all certificates. */
  readonly once: OncePerRun;
}
