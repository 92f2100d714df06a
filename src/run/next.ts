import type { KnownCertificate } from "../status/certificates.ts";
import { alternatesFrom } from "../status/alternates.ts";
import { stepOf, timeOf } from "../status/plan.ts";
import { nextTurn } from "../renew/ari.ts";

/** When the service looks again at what is due. */
export interface Look {
  readonly at: Date;
  /** The certificate for which it looks; absent if it only looks whether anything has changed. */
  readonly name?: string | undefined;
}

const minute = 60_000;
/** Other programs change the state, and clocks are set. */
const longest = 60 * minute;
/** After the first pass that could not do what was due, the second and any later one. */
const retries = [minute, 10 * minute, longest] as const;

/**
 * The earliest time at which one of the certificates needs a look: it falls due, a back-off or a window ends, the CA is
 * to be asked. What is due now, after `fruitless` passes that did not get it done, waits a little longer each time.
 */
export function nextLook(
  certificates: readonly KnownCertificate[],
  fruitless: number,
  now: Date,
): Look {
  const retry = retries[Math.min(fruitless, retries.length - 1)] ?? longest;
  const looks = certificates.flatMap((one) =>
    timesOf(one, now).map((time): Look => ({
      at: time > now ? time : after(now, retry),
      name: one.name,
    })),
  );
  const last: Look = { at: after(now, longest) };
  return looks.reduce((first, look) => (look.at < first.at ? look : first), last);
}

/** True if something that is due was left undone. */
export function isUndone(certificates: readonly KnownCertificate[], now: Date): boolean {
  return certificates.some((one) => timesOf(one, now).some((time) => time <= now));
}

/** Times that are over are for what is due now. */
function timesOf(one: KnownCertificate, now: Date): readonly Date[] {
  const { recheckAt } = one.status.dane ?? {};
  const times = [
    timeOf(stepOf(one, now), now),
    nextTurn(one, 0, now),
    alternatesFrom(one, now),
    recheckAt === undefined ? undefined : new Date(recheckAt),
  ];
  return times.filter((time) => time !== undefined);
}

function after(time: Date, milliseconds: number): Date {
  return new Date(time.getTime() + milliseconds);
}
