import type { CertificateRequest } from "../certificate.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../plugin.ts";
import type { Store } from "../state/store.ts";

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

/** Keeps certificates that want the same thing from having it done once for each of them. */
interface OncePerRun {
  /** Do `work` at the first call with this key; later calls share the result. */
  once(key: string, work: () => Promise<void>): Promise<void>;
  /**
   * Do `work` so that it begins after this call. Calls that come while one runs share the next: a server reloads for all
   * files that were written before, and never for files that were not there when it began.
   */
  after(key: string, work: () => Promise<void>): Promise<void>;
}

export function openOncePerRun(): OncePerRun {
  const done = new Map<string, Promise<void>>();
  const running = new Map<string, Promise<void>>();
  const waiting = new Map<string, Promise<void>>();
  const start = (key: string, work: () => Promise<void>) => {
    const run = work().finally(() => running.get(key) === run && running.delete(key));
    running.set(key, run);
    return run;
  };
  return {
    once(key, work) {
      const mine = done.get(key) ?? work();
      done.set(key, mine);
      return mine;
    },
    after(key, work) {
      const current = running.get(key);
      if (current === undefined) return start(key, work);
      const begin = () => {
        waiting.delete(key);
        return start(key, work);
      };
      const next = waiting.get(key) ?? current.then(begin, begin);
      waiting.set(key, next);
      return next;
    },
  };
}
