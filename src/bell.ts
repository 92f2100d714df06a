import type { Clock } from "./clock.ts";

export interface Bell {
  /** Ends the sleep; without one, the next sleep ends at once. */
  readonly ring: () => void;
  /** True if it rang. Rejects with the reason of the signal. */
  sleep(milliseconds: number): Promise<boolean>;
}

/** A sleep that ends early when something happens. */
export function openBell({ clock, signal }: { clock: Clock; signal: AbortSignal }): Bell {
  let isRung = false;
  let ringing = new AbortController();
  return {
    ring: () => {
      isRung = true;
      ringing.abort();
    },
    async sleep(milliseconds) {
      ringing = new AbortController();
      const either = AbortSignal.any([signal, ringing.signal]);
      if (!isRung) await clock.sleep(milliseconds, either).catch(() => undefined);
      signal.throwIfAborted();
      const rang = isRung;
      isRung = false;
      return rang;
    },
  };
}
