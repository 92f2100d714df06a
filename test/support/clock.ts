import type { Clock } from "../../src/clock.ts";

/** A clock that a test sets. Sleeping moves it on at once. */
export interface TestClock extends Clock {
  /** Set the wall clock, as an administrator would: durations do not notice. */
  set(time: Date): void;
  advance(milliseconds: number): void;
}

export function testClock(start: Date = new Date()): TestClock {
  let now = start.getTime();
  let passed = 0;
  return {
    now: () => new Date(now),
    monotonic: () => passed,
    async sleep(milliseconds, signal) {
      signal.throwIfAborted();
      now += milliseconds;
      passed += milliseconds;
      // Everything else that is ready runs first, as it would while real time passes.
      await new Promise((resolve) => setTimeout(resolve, Math.min(milliseconds, 20)));
      signal.throwIfAborted();
    },
    set: (time) => {
      now = time.getTime();
    },
    advance: (milliseconds) => {
      now += milliseconds;
      passed += milliseconds;
    },
  };
}
