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
  deploy(certificate: StoredCertificate): Promise<Problem | undefined>;
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
  options: RenewOptions & { readonly startedAt: Date },
  turn: Turn,
  tools: RenewTools,
): Promise<Renewal> {
  const { name } = certificate;
  const log = labelled(tools, name);
  let due = dueOf(certificate, tools.clock.now());
  try {
    const fresh = await consultCa(certificate, { ...tools, log });
    due = dueOf(fresh, tools.clock.now());
    const wanted = (one: StoredCertificate) => {
      const changed =
        one.held?.version === certificate.held?.version ? certificate.changed : undefined;
      const now = tools.clock.now();
      return options.force || dueOf({ ...one, ...given({ changed }) }, now).at <= now;
    };
    const pause = pauseOf(fresh, tools.clock.now(), options.force);
    if (!wanted(fresh))
      return await deployed({ name, outcome: "not due", due, ...heldOf(fresh) }, fresh, tools);
    if (pause !== undefined) return { name, outcome: "paused", due, pause, ...heldOf(fresh) };
    if (!(await turn())) return { name, outcome: "postponed", due, ...heldOf(fresh) };
    log.info(`${name} is due: ${due.reason}`, { step: "renew" });
    const issuing = await tools.open(fresh.request.issuer);
    const { held, issued } = await issue(
      fresh.request,
      { isWanted: wanted, startedAt: options.startedAt },
      { ...issuing, log },
    );
    const after = (await tools.store.certificates.read(name)) ?? fresh;
    return await deployed(
      { name, outcome: issued ? "renewed" : "not due", due, held },
      await consultCa(after, { ...tools, log }),
      tools,
    );
  } catch (error) {
    tools.signal.throwIfAborted();
    return {
      name,
      outcome: "failed",
      due,
      ...(Problem.is(error) ? { problem: error } : { bug: error }),
      ...heldOf(certificate),
    };
  }
}

async function deployed(
  renewal: Renewal,
  certificate: StoredCertificate,
  tools: RenewTools,
): Promise<Renewal> {
  const deployProblem = await tools.deploy(certificate);
  return deployProblem === undefined ? renewal : { ...renewal, deployProblem };
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
