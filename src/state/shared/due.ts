/** Whether a certificate of the index is due before a time. */
import type { Clock } from "../../clock.ts";

export const isBefore = (time: Date | undefined, end: Date) => time !== undefined && !(time >= end);

/** For rules that make a certificate due now: before the end, even if reading it has taken until after. */
export function nowBefore(end: Date, clock: Clock): Date {
  return new Date(Math.min(clock.now().getTime(), end.getTime() - 1));
}
