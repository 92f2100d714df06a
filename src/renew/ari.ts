import type { RenewalInfo } from "../acme/acme.ts";
import { traitsOf } from "../acme/presets.ts";
import { issuerOf } from "../request/drift.ts";
import type { IssueTools } from "../issue/tools.ts";
import { Problem } from "../problem.ts";
import { isAhead } from "../state/pause.ts";
import type { AriStatus } from "../state/certificate-status.ts";
import type { StoredCertificate } from "../state/store.ts";
import { nextQuestion, renewalsOf } from "../status/renewal-information.ts";

export type AriTools = Pick<IssueTools, "ca" | "clock" | "log" | "signal">;

/** The next question to a CA without ARI, and after a failure without a time. Milliseconds. */
const day = 24 * 60 * 60_000;
const sixHours = day / 4;
/** RFC 9773 §4.3.2: "reasonable limits", for example a day. */
const longest = day + 60 * 60_000;

/** True when it is time to ask the CA: never for an expired certificate, nor before Retry-After (RFC 9773 §4.3). */
export function isAriDue(certificate: StoredCertificate, now: Date): boolean {
  const { held } = certificate;
  if (held === undefined || new Date(held.meta.notAfter) <= now) return false;
  const next = nextQuestion(certificate);
  // A later time was noted by a clock that was ahead, or this one is behind: the CA's answer has the time.
  return next !== undefined && !isAhead(next, now, longest);
}

/** True when it is time to ask a CA that can know the answer. */
export function mayAskCa(certificate: StoredCertificate, now: Date): boolean {
  return isKnownToCa(certificate) && isAriDue(certificate, now);
}

/**
 * The names of the certificates that the CA is asked about in a run, those asked longest ago first. A certificate waits from its
 * `nextQuestion` on. Each run asks about a share of all, so that ten thousand questions are not asked at once; a certificate that
 * has waited for nine hours is asked about anyway. Once spread, they stay so: each comes back after the same time.
 * `every` is the interval of the schedule in milliseconds; 0 if it is not known.
 */
export function turnsToAsk(
  certificates: readonly StoredCertificate[],
  every: number,
  now: Date,
  total: number = certificates.length,
): ReadonlySet<string> {
  const waiting = certificates
    .filter((one) => mayAskCa(one, now))
    .map((one) => ({ name: one.name, since: nextQuestion(one)?.getTime() ?? 0 }))
    .toSorted((a, b) => a.since - b.since);
  const share = Math.max(few, Math.ceil(total / runsToSpreadOver(every)));
  const isLate = (since: number) => since > 0 && since + 1.5 * sixHours <= now.getTime();
  const turns = waiting.filter(({ since }, index) => index < share || isLate(since));
  return new Set(turns.map(({ name }) => name));
}

/** When a run asks about it next, if one at `now` does not; undefined if no CA can know the answer. */
export function nextTurn(
  certificate: StoredCertificate,
  every: number,
  now: Date,
): Date | undefined {
  const next = nextQuestionOf(certificate);
  // Left for the next run: not for one that a person starts a moment later.
  return next && !isAhead(next, now, longest)
    ? new Date(now.getTime() + intervalOr(every) / 2)
    : next;
}

/** From when on a CA that can know the answer is asked. */
export function nextQuestionOf(certificate: StoredCertificate): Date | undefined {
  return isKnownToCa(certificate) ? nextQuestion(certificate) : undefined;
}

/** So many are asked about in one run anyway. */
const few = 100;

/** The runs of six hours. Of a run every six hours the answers last until just after the next one, so it is two. */
function runsToSpreadOver(every: number): number {
  const interval = intervalOr(every);
  return interval > sixHours ? 1 : Math.max(2, Math.floor(sixHours / interval));
}

function intervalOr(every: number): number {
  return every === 0 ? sixHours : every;
}

/** The CA that issued knows a certificate, unless it is embedded and has forgotten. */
function isKnownToCa({ held, request }: StoredCertificate): boolean {
  const { server } = issuerOf(request, held);
  return !traitsOf(server).forgets && held?.meta.directory === server;
}

/**
 * Ask the CA when it wants a certificate renewed, where that is due, and keep the answer. The time is chosen once, uniformly in
 * the window, and kept until the window changes. A failure never stops a renewal: it only postpones the next question.
 */
export async function refreshAri<T extends StoredCertificate>(
  certificate: T,
  tools: AriTools & Pick<IssueTools, "store">,
  random: () => number = Math.random,
): Promise<T> {
  const { clock, store, signal } = tools;
  if (!isAriDue(certificate, clock.now())) return certificate;
  const [first, second] = await Promise.all(
    renewalsOf(certificate).map(async ({ meta: { ariId }, ari }) => {
      const isKnown = ari !== undefined && new Date(ari.nextCheck) > clock.now();
      return ariId === undefined || isKnown ? ari : askCa(ariId, ari?.window, tools, random);
    }),
  );
  signal.throwIfAborted();
  const ari = first === undefined ? second : { ...first, second };
  // One that is lost is asked for again.
  const status = await store.certificates.updateStatus(
    certificate.name,
    (now) => ({ ...now, ari }),
    { mayBeLost: true },
  );
  return { ...certificate, status };
}

/** `before` is the window of the last answer; `random` chooses the time in a new one. */
export async function askCa(
  certificateId: string,
  before: AriStatus["window"],
  { ca, clock, log, signal }: AriTools,
  random: () => number,
): Promise<AriStatus> {
  try {
    const { renewalInfo } = await ca.directory(signal);
    if (renewalInfo === undefined) return { certificateId, nextCheck: after(clock.now(), day) };
    const info = await ca.renewalInfo(certificateId, signal);
    if (info.explanationUrl !== undefined) {
      log.warn(`the CA explains its renewal window at ${info.explanationUrl}`, { step: "ari" });
    }
    const window = windowOf(info, before, random);
    return { certificateId, nextCheck: info.retryAfter.toISOString(), window };
  } catch (error) {
    signal.throwIfAborted();
    if (!Problem.is(error)) throw error;
    log.warn(`no renewal information: ${error.message}`, { step: "ari" });
    const nextCheck = error.retryAt?.toISOString() ?? after(clock.now(), sixHours);
    return { certificateId, nextCheck, window: before };
  }
}

function windowOf(
  info: RenewalInfo,
  before: AriStatus["window"],
  random: () => number,
): AriStatus["window"] {
  const { explanationUrl } = info;
  const [start, end] = [info.start.toISOString(), info.end.toISOString()];
  const isSame = before?.start === start && before.end === end;
  const selected = isSame
    ? before.selected
    : after(info.start, random() * (info.end.getTime() - info.start.getTime()));
  return { start, end, selected, explanationUrl };
}

function after(time: Date, milliseconds: number): string {
  return new Date(time.getTime() + milliseconds).toISOString();
}
