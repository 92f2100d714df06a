/** The waiting loops of RFC 8555 §7.4 and §7.5.1. */
import type { Clock } from "../../clock.ts";
import { Problem } from "../../problem.ts";
import type { Waiting } from "../acme.ts";

export interface Poll<T> {
  read(): Promise<T>;
  isFinal(value: T): boolean;
  /** When the CA gives up by itself. */
  expires(value: T): Date | undefined;
  /** When the CA wants to be asked again. */
  retryAfter(value: T): Date | undefined;
  /** The Problem when our time limit, or the object's own expiry, has passed. */
  late(value: T | undefined, why: "timeout" | "expired"): Error;
}

export interface Patience {
  readonly clock: Clock;
  /** The CA's clock minus ours, milliseconds. */
  readonly skew: () => number;
  readonly waiting: Waiting;
}

/** Ask until the answer is final. `start` is what is known already. */
export async function poll<T>(
  start: T | undefined,
  asked: Poll<T>,
  patience: Patience,
): Promise<T> {
  const deadline = patience.clock.monotonic() + patience.waiting.timeout;
  let value = start;
  let missed = 0;
  for (let turn = 0; ; turn += 1) {
    await pause(value, turn, deadline, asked, patience);
    try {
      value = await asked.read();
      missed = 0;
      if (asked.isFinal(value)) return value;
    } catch (error) {
      missed += 1;
      if (missed > mostMissed || !Problem.is(error) || !error.is("network")) throw error;
    }
  }
}

/** Sleep until the next look, the last one right at the deadline. */
async function pause<T>(
  value: T | undefined,
  turn: number,
  deadline: number,
  asked: Poll<T>,
  { clock, skew, waiting }: Patience,
): Promise<void> {
  const now = clock.now().getTime();
  const [expires, wished] =
    value === undefined ? [] : [asked.expires(value), asked.retryAfter(value)];
  if (expires !== undefined && expires.getTime() <= now + skew())
    throw asked.late(value, "expired");
  const left = deadline - clock.monotonic();
  if (left <= 0) throw asked.late(value, "timeout");
  const rest = delay(turn, wished === undefined ? undefined : wished.getTime() - now);
  await clock.sleep(Math.min(rest, left), waiting.signal);
}

/** Milliseconds. A CA that asks for more than a minute (one asks for a day) cannot mean a poll: it is asked every 10 s. */
function delay(turn: number, wished: number | undefined): number {
  if (wished === undefined) return Math.min(150 * 1.6 ** turn, slowest);
  // The floor rises, so that Retry-After: 0 again and again does not become a flood.
  return wished > 60_000 ? slowest : Math.max(wished, Math.min(250 * 1.2 ** turn, 2000));
}

const slowest = 10_000;
/** Network failures in a row that a wait survives. */
const mostMissed = 3;
