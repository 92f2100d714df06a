import { given } from "../request/compose-config.ts";
import { beginAttempt } from "../issue/attempt.ts";
import { issue } from "../issue/issue.ts";
import type { OpenTools } from "../issuer/open.ts";
import { createLimit } from "../limit.ts";
import type { IssuerSetting } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate, StoredCertificate } from "../state/store.ts";
import { isAriDue, refreshAri } from "./ari.ts";
import { dueOf, pauseOf, type Due, type Pause } from "../status/due.ts";
import type { WantedCertificate } from "../status/wanted.ts";

export interface RenewOptions {
  readonly force: boolean;
  /** At most so many are renewed in this run. */
  readonly max: number;
  readonly concurrency: number;
  /** Milliseconds to wait before the first request of a run that renews something; 0 for a person. */
  readonly jitter: number;
}

/** What a run needs besides the tools of each issuer. */
export interface RenewTools extends Pick<
  OpenTools,
  "store" | "log" | "clock" | "signal" | "redact"
> {
  /** Once per issuer: account, CA and solvers are shared by all of its certificates. */
  open(issuer: IssuerSetting): Promise<OpenTools>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** After a new certificate was committed, and for those whose deployment failed before. */
  deploy(certificate: Pick<StoredCertificate, "name" | "request">): Promise<Problem | undefined>;
}

/** What became of one certificate. */
export interface Renewal {
  readonly name: string;
  readonly outcome: "renewed" | "not due" | "paused" | "failed" | "postponed";
  readonly due: Due;
  readonly held?: HeldCertificate;
  readonly pause?: Pause;
  readonly problem?: Problem;
  /** Anything that was no Problem: a bug of ours, told after the others had their turn. */
  readonly bug?: unknown;
  readonly deployProblem?: Problem;
}

/**
 * Renew what is due, each certificate on its own: no failure stops the others. All are looked at first; then the most urgent
 * have the first turns, and whatever is left by `max` waits for the next run.
 */
export async function renewAll(
  certificates: readonly WantedCertificate[],
  options: RenewOptions,
  from: RenewTools,
): Promise<readonly Renewal[]> {
  const { clock, log, random, signal } = from;
  const limit = createLimit(options.concurrency);
  const startedAt = clock.now();
  const tools = (one: StoredCertificate) => labelled(from, one.name, certificates.length > 1);
  const looked = await Promise.all(
    certificates.map((one) => limit(() => look(one, options, tools(one)))),
  );
  const due = looked
    .filter(({ renewal }) => renewal === undefined)
    .toSorted(byUrgency)
    .slice(0, options.max);
  if (due.length > 0 && options.jitter > 0) {
    const pause = Math.floor(random() * options.jitter);
    const seconds = Math.round(pause / 1000);
    log.info(`waiting ${seconds} s, so that not all hosts renew at once`, { step: "jitter" });
    await clock.sleep(pause, signal);
  }
  const turns = new Map(
    due.map((one) => [
      one,
      limit(() => replace(one.known, { ...options, startedAt }, tools(one.known))),
    ]),
  );
  return Promise.all(
    looked.map(async (one) => {
      const renewal = one.renewal ?? (await turns.get(one)) ?? postponed(one.known, from);
      return deployed(renewal, one.known, from);
    }),
  );
}

/** A certificate as it was found: with its outcome, or with none yet when it is to be replaced. */
interface Looked {
  readonly known: WantedCertificate;
  readonly renewal: Renewal | undefined;
}

async function look(
  certificate: WantedCertificate,
  { force }: RenewOptions,
  tools: RenewTools,
): Promise<Looked> {
  const { clock, signal } = tools;
  let known = certificate;
  try {
    known = await consultCa(certificate, tools);
  } catch (error) {
    signal.throwIfAborted();
    // Whatever keeps the CA from being asked now keeps the certificate from being renewed later.
    await beginAttempt(known.request, clock.now(), tools).failed(error);
    return { known, renewal: failed(known, error, tools) };
  }
  const now = clock.now();
  const due = dueOf(known, now);
  const renewal = { name: known.name, due, ...heldOf(known) };
  if (!force && due.at > now) return { known, renewal: { ...renewal, outcome: "not due" } };
  const pause = pauseOf(known, now, force);
  return {
    known,
    renewal: pause === undefined ? undefined : { ...renewal, outcome: "paused", pause },
  };
}

/** What runs out first; what is missing before all. */
function byUrgency(a: Looked, b: Looked): number {
  return endOf(a.known) - endOf(b.known);
}

function endOf({ held }: StoredCertificate): number {
  return held === undefined ? 0 : new Date(held.meta.notAfter).getTime();
}

function postponed(certificate: StoredCertificate, { clock, log }: RenewTools): Renewal {
  const now = clock.now();
  const due = dueOf(certificate, now);
  if (endOf(certificate) <= now.getTime() || due.rule === "emergency") {
    log.warn(
      `${certificate.name} is left for the next run (--max), though it has run out or is about to`,
      { step: "renew" },
    );
  }
  return { name: certificate.name, outcome: "postponed", due, ...heldOf(certificate) };
}

function failed(
  certificate: StoredCertificate,
  error: unknown,
  { clock, log }: RenewTools,
): Renewal {
  if (!Problem.is(error) && error instanceof Error) log.debug(error.stack ?? error.message);
  const failure = Problem.is(error) ? { problem: error } : { bug: error };
  const due = dueOf(certificate, clock.now());
  return { name: certificate.name, outcome: "failed", due, ...failure, ...heldOf(certificate) };
}

async function replace(
  certificate: WantedCertificate,
  { force, startedAt }: RenewOptions & { readonly startedAt: Date },
  tools: RenewTools,
): Promise<Renewal> {
  const { name, request, held: before } = certificate;
  const { clock, log, store } = tools;
  const due = dueOf(certificate, clock.now());
  const reason = due.at <= clock.now() ? due.reason : "--force was given";
  log.info(`${name} is to be renewed: ${reason}`, { step: "renew" });
  // Another run may have renewed it while this one waited for the lock.
  const isStillWanted = (one: StoredCertificate) => {
    const changed = one.held?.version === before?.version ? certificate.changed : undefined;
    return force || dueOf({ ...one, ...given({ changed }) }, clock.now()).at <= clock.now();
  };
  try {
    const issuing = await opened(certificate, startedAt, tools);
    const options = { isWanted: isStillWanted, startedAt };
    const { held, issued } = await issue(request, options, { ...issuing, log });
    const after = await store.certificates.read(name);
    // RFC 9773 §4.3: the CA is asked right after issuance.
    const next = after === undefined ? due : dueOf(await consultCa(after, tools), clock.now());
    return { name, outcome: issued ? "renewed" : "not due", due: { ...next, reason }, held };
  } catch (error) {
    tools.signal.throwIfAborted();
    return failed(certificate, error, tools);
  }
}

/** The issuer's tools. What stands in their way (a bundle that is gone, a secret that is not set) is remembered as an attempt that failed. */
async function opened(
  certificate: StoredCertificate,
  startedAt: Date,
  tools: RenewTools,
): Promise<OpenTools> {
  const { request } = certificate;
  try {
    return await tools.open(request.issuer);
  } catch (error) {
    tools.signal.throwIfAborted();
    await beginAttempt(request, startedAt, tools).failed(error);
    throw error;
  }
}

/** What was not deployed before is deployed now, whatever became of the renewal. */
async function deployed(
  renewal: Renewal,
  { name, request }: StoredCertificate,
  tools: RenewTools,
): Promise<Renewal> {
  try {
    const deployProblem = await tools.deploy({ name, request });
    return deployProblem === undefined ? renewal : { ...renewal, deployProblem };
  } catch (error) {
    tools.signal.throwIfAborted();
    if (!Problem.is(error)) throw error;
    return { ...renewal, deployProblem: error };
  }
}

/** The CA's wish, where it is time to ask and there is something to ask about. */
async function consultCa<T extends StoredCertificate>(
  certificate: T,
  tools: RenewTools,
): Promise<T> {
  const { held, request } = certificate;
  // The embedded CA forgets what it has issued when it ends.
  if (
    held === undefined ||
    request.issuer.server === "local" ||
    held.meta.directory !== request.issuer.server
  ) {
    return certificate;
  }
  if (!isAriDue(certificate, tools.clock.now())) return certificate;
  const { ca } = await tools.open(request.issuer);
  return refreshAri(certificate, { ...tools, ca });
}

function heldOf({ held }: { held?: HeldCertificate }): { held?: HeldCertificate } {
  return held === undefined ? {} : { held };
}

/** Where several certificates speak, each line says which. */
function labelled(tools: RenewTools, certificate: string, several: boolean): RenewTools {
  const { log } = tools;
  const say = (message: string) =>
    several && !message.startsWith(certificate) ? `${certificate}: ${message}` : message;
  return {
    ...tools,
    log: {
      debug: (message, fields) => log.debug(say(message), { certificate, ...fields }),
      info: (message, fields) => log.info(say(message), { certificate, ...fields }),
      warn: (message, fields) => log.warn(say(message), { certificate, ...fields }),
    },
  };
}
