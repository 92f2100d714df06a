/** Time as a dependency, so that tests own it. */
export interface Clock {
  /** Wall-clock time, which can be set ahead or back at any moment: for what is kept or shown. */
  now(): Date;
  /** Milliseconds since an arbitrary start. Never set: for durations, deadlines and waits. */
  monotonic(): number;
  /** Resolves after `milliseconds`; rejects with the signal's reason when that comes first. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

const longest = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  async sleep(milliseconds, signal) {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      // setTimeout fires at once for anything above 2^31-1 ms.
      const timer = setTimeout(
        () => {
          signal.removeEventListener("abort", stop);
          resolve();
        },
        Math.min(Math.max(milliseconds, 0), longest),
      );
      signal.addEventListener("abort", stop, { once: true });
    });
  },
};
