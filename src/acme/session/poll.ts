/** The waiting loops of RFC 8555 §7.4 and §7.5.1. */
import { Problem } from "../../problem.ts";
import type { Clock } from "../../clock.ts";
import type { Waiting } from "../acme.ts";
import type { Exchange } from "../transport/exchange.ts";

/** What the CA says of the time: when it gives up by itself, and when it wants to be asked again. */
interface Timed {
  readonly expires?: Date | undefined;
  readonly retryAfter?: Date | undefined;
}

export interface Poll<T> {
  read(): Promise<T>;
  isFinal(value: T): boolean;
  /** The Problem when our time limit, or the object's own expiry, has passed. */
  late(value: T | undefined, why: "timeout" | "expired"): Error;
}

/** Ask until the answer is final. `known` is what is known already. */
export async function poll<T extends Timed>(
  known: T | undefined,
  asked: Poll<T>,
  exchange: Exchange,
  waiting: Waiting,
): Promise<T> {
  const { clock } = exchange;
  const isExpired = expiry(exchange);
  const start = clock.monotonic();
  const deadline = start + waiting.timeout;
  let value = known;
  let missed = 0;
  for (let turn = 0; ; turn += 1) {
    const now = clock.now().getTime();
    const { expires, retryAfter } = value ?? {};
    // What is known from before was read on a clock that may have been set since.
    if (turn > 0 && isExpired(expires)) throw asked.late(value, "expired");
    const left = deadline - clock.monotonic();
    if (left <= 0) throw asked.late(value, "timeout");
    // The last look is right at the deadline.
    const pause = pauseBefore(turn, retryAfter && retryAfter.getTime() - now);
    await sleep(Math.min(pause, left), start, clock, waiting);
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

/** In parts, so that a long pause is reported as well. */
async function sleep(
  pause: number,
  start: number,
  clock: Clock,
  { signal, onWait }: Waiting,
): Promise<void> {
  for (let left = pause; left > 0; left -= longestSilence) {
    await clock.sleep(Math.min(left, longestSilence), signal);
    onWait?.(clock.monotonic() - start);
  }
}

/** Milliseconds. */
const longestSilence = 15_000;

/** A new date is read at once on the CA's clock; from then on it is a duration, whatever the machine's clock is set to. */
function expiry({ clock, transport }: Exchange): (expires: Date | undefined) => boolean {
  let known: { readonly date: number; readonly deadline: number } | undefined;
  return (expires) => {
    if (expires === undefined) return false;
    const date = expires.getTime();
    if (date !== known?.date) {
      const left = date - (clock.now().getTime() + transport.clockSkew);
      known = { date, deadline: clock.monotonic() + left };
    }
    return known.deadline <= clock.monotonic();
  };
}

/**
 * Milliseconds. Two looks come soon, whatever the CA has said: most are done by then, and they cost a request each. A CA that
 * asks for more than a minute (one asks for a day) cannot mean a poll: it is asked every 10 s.
 */
function pauseBefore(turn: number, wished: number | undefined): number {
  if (turn < 2 || wished === undefined) return Math.min(20 * 2 ** turn, slowest);
  // The floor rises, so that Retry-After: 0 again and again does not become a flood.
  return wished > 60_000 ? slowest : Math.max(wished, Math.min(250 * 1.2 ** turn, 2000));
}

const slowest = 10_000;
/** Network failures in a row that a wait survives. */
const mostMissed = 3;
