import type { Ca, RenewalInfo } from "../acme/acme.ts";
import type { Clock } from "../clock.ts";
import { Problem } from "../problem.ts";
import type { Log } from "../plugin.ts";
import type { AriStatus, Store, StoredCertificate } from "../state/store.ts";

export interface AriTools {
  readonly ca: Ca;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** For a CA without ARI, and after a failure of ours to tell when. Milliseconds. */
const day = 24 * 60 * 60_000;
const sixHours = day / 4;

/** True when the CA is to be asked: never for an expired certificate, nor before it wants to be (RFC 9773 §4.3). */
export function isAriDue({ held, status }: StoredCertificate, now: Date): boolean {
  if (held?.meta.ariId === undefined || new Date(held.meta.notAfter) <= now) return false;
  const { ari } = status;
  return (
    ari === undefined || ari.certificateId !== held.meta.ariId || new Date(ari.nextCheck) <= now
  );
}

/**
 * Ask the CA when it wants a certificate renewed, where that is due, and keep the answer. The time is chosen once, uniformly in
 * the window, and stays until the window changes. Trouble never stops a renewal: it only postpones the next question.
 */
export async function refreshAri<T extends StoredCertificate>(
  certificate: T,
  tools: AriTools,
): Promise<T> {
  const { clock, store, signal } = tools;
  const id = certificate.held?.meta.ariId;
  if (id === undefined || !isAriDue(certificate, clock.now())) return certificate;
  const before = certificate.status.ari?.certificateId === id ? certificate.status.ari : undefined;
  const ari = await ask(id, before, tools);
  signal.throwIfAborted();
  const status = await store.certificates.updateStatus(certificate.name, (now) => ({
    ...now,
    ari,
  }));
  return { ...certificate, status };
}

async function ask(
  certificateId: string,
  before: AriStatus | undefined,
  tools: AriTools,
): Promise<AriStatus> {
  const { ca, clock, log, signal } = tools;
  try {
    const { renewalInfo } = await ca.directory(signal);
    if (renewalInfo === undefined) return { certificateId, nextCheck: after(clock.now(), day) };
    const info = await ca.renewalInfo(certificateId, signal);
    if (info.explanationUrl !== undefined) {
      log.warn(`the CA explains its renewal window at ${info.explanationUrl}`, { step: "ari" });
    }
    const window = windowOf(info, before?.window, tools.random);
    return { certificateId, nextCheck: info.retryAfter.toISOString(), window };
  } catch (error) {
    signal.throwIfAborted();
    if (!Problem.is(error)) throw error;
    log.warn(`no renewal information: ${error.message}`, { step: "ari" });
    const nextCheck = error.retryAt?.toISOString() ?? after(clock.now(), sixHours);
    return {
      certificateId,
      nextCheck,
      ...(before?.window === undefined ? {} : { window: before.window }),
    };
  }
}

type Window = NonNullable<AriStatus["window"]>;

function windowOf(info: RenewalInfo, before: Window | undefined, random: () => number): Window {
  const [start, end] = [info.start.toISOString(), info.end.toISOString()];
  const same = before?.start === start && before.end === end;
  const chosen = same
    ? before.selected
    : after(info.start, random() * (info.end.getTime() - info.start.getTime()));
  const { explanationUrl } = info;
  return {
    start,
    end,
    selected: chosen,
    ...(explanationUrl === undefined ? {} : { explanationUrl }),
  };
}

function after(time: Date, milliseconds: number): string {
  return new Date(time.getTime() + milliseconds).toISOString();
}
