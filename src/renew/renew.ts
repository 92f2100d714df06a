import { given } from "../issue/compose-config.ts";
import { issue } from "../issue/issue.ts";
import type { OpenTools } from "../issue/open.ts";
import { createLimit } from "../limit.ts";
import type { IssuerSetting } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate, StoredCertificate } from "../store/store.ts";
import { isAriDue, refreshAri } from "./ari.ts";
import { dueOf, pauseOf, type Due, type Pause } from "./due.ts";
import type { WantedCertificate } from "./wanted.ts";

export interface RenewOptions {
  readonly force: boolean;
  /** At most so many are renewed in this run. */
  readonly max: number;
  readonly concurrency: number;
  /** Milliseconds to wait before the first request of a run that renews something; 0 for a person. */
  readonly jitter: number;
}

/** What a run needs besides the tools of each issuer. */
export interface RenewTools extends Pick<OpenTools, "store" | "log" | "clock" | "signal"> {
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

/** Renew what is due, each certificate on its own: no failure stops the others. */
export async function renewAll(
  certificates: readonly WantedCertificate[],
  options: RenewOptions,
  tools: RenewTools,
): Promise<readonly Renewal[]> {
  const limit = createLimit(options.concurrency);
  const turn = turns(options, tools);
  const startedAt = tools.clock.now();
  return Promise.all(
    certificates.map((certificate) =>
      limit(() => renewOne(certificate, { ...options, startedAt }, turn, tools)),
    ),
  );
}

type Turn = () => Promise<boolean>;

/** Grants renewals up to the maximum; the first one waits for the jitter, and the others with it. */
function turns({ max, jitter }: RenewOptions, { clock, log, random, signal }: RenewTools): Turn {
  let granted = 0;
  let waiting: Promise<void> | undefined;
  return async () => {
    if (granted >= max) return false;
    granted += 1;
    if (jitter > 0 && waiting === undefined) {
      const pause = Math.floor(random() * jitter);
      log.info(`waiting ${Math.round(pause / 1000)} s, so that not all hosts renew at once`, {
        step: "jitter",
      });
      waiting = clock.sleep(pause, signal);
    }
    await waiting;
    return true;
  };
}

async function renewOne(
  certificate: WantedCertificate,
  options: PassOptions,
  turn: Turn,
  from: RenewTools,
): Promise<Renewal> {
  const { name } = certificate;
  const tools = { ...from, log: labelled(from, name) };
  let known = certificate;
  try {
    known = await consultCa(certificate, tools);
    const idle = await idleRenewal(known, options, turn, tools);
    return await deployed(idle ?? (await replace(known, options, tools)), known, tools);
  } catch (error) {
    tools.signal.throwIfAborted();
    const failure = Problem.is(error) ? { problem: error } : { bug: error };
    const due = dueOf(known, tools.clock.now());
    return { name, outcome: "failed", due, ...failure, ...heldOf(known) };
  }
}

type PassOptions = RenewOptions & { readonly startedAt: Date };

/** Why nothing is ordered now; undefined when something is to be. */
async function idleRenewal(
  certificate: WantedCertificate,
  { force }: PassOptions,
  turn: Turn,
  { clock }: RenewTools,
): Promise<Renewal | undefined> {
  const now = clock.now();
  const due = dueOf(certificate, now);
  const renewal = { name: certificate.name, due, ...heldOf(certificate) };
  if (!force && due.at > now) return { ...renewal, outcome: "not due" };
  const pause = pauseOf(certificate, now, force);
  if (pause !== undefined) return { ...renewal, outcome: "paused", pause };
  return (await turn()) ? undefined : { ...renewal, outcome: "postponed" };
}

async function replace(
  certificate: WantedCertificate,
  { force, startedAt }: PassOptions,
  tools: RenewTools,
): Promise<Renewal> {
  const { name, request, held: before } = certificate;
  const { clock, log } = tools;
  const due = dueOf(certificate, clock.now());
  const reason = due.at <= clock.now() ? due.reason : "--force was given";
  log.info(`${name} is to be renewed: ${reason}`, { step: "renew" });
  // Another run may have renewed it while this one waited for the lock.
  const isWanted = (one: StoredCertificate) => {
    const changed = one.held?.version === before?.version ? certificate.changed : undefined;
    return force || dueOf({ ...one, ...given({ changed }) }, clock.now()).at <= clock.now();
  };
  const issuing = await tools.open(request.issuer);
  const { held, issued } = await issue(request, { isWanted, startedAt }, { ...issuing, log });
  const after = await tools.store.certificates.read(name);
  // RFC 9773 §4.3: the CA is asked right after issuance.
  const next = after === undefined ? due : dueOf(await consultCa(after, tools), clock.now());
  return { name, outcome: issued ? "renewed" : "not due", due: { ...next, reason }, held };
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

/** Several certificates speak at once; each event says which. */
function labelled({ log }: Pick<RenewTools, "log">, certificate: string): RenewTools["log"] {
  return {
    debug: (message, fields) => log.debug(message, { certificate, ...fields }),
    info: (message, fields) => log.info(message, { certificate, ...fields }),
    warn: (message, fields) => log.warn(message, { certificate, ...fields }),
  };
}
