import { warnOfFormerCa } from "../check/former-ca.ts";
import type { Context } from "../context.ts";
import type { Deployment } from "../deploy/deployment.ts";
import { saveFailure } from "../issue/record.ts";
import { isDeployed, stepsOf, wasDeployed } from "../deploy/steps.ts";
import { choose } from "../issue/proof/choose.ts";
import { issue } from "../issue/issue.ts";
import type { LetGo } from "../issue/order.ts";
import { openRecord } from "../issue/record.ts";
import { trueTime, type IssueTools } from "../issue/tools.ts";
import { issuerOf } from "../request/drift.ts";
import type { ToolsPool } from "../issuer/open.ts";
import type { Log } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type {
  BrokenCertificate,
  CertificateFiles,
  HeldCertificate,
  Store,
} from "../state/store.ts";
import type { KnownCertificate } from "../status/certificates.ts";
import { caPause } from "../status/limits.ts";
import { dueOf, offOf, pauseOf, type Due, type Pause } from "../status/due.ts";
import { mayAskCa, refreshAri } from "./ari.ts";

export interface RenewOptions {
  readonly force: boolean;
  readonly letGo?: LetGo | undefined;
  /** At most so many are renewed in this run. */
  readonly max: number;
  readonly concurrency: number;
  /** The interval of the scheduler in milliseconds; 0 without one. */
  readonly every: number;
  /** Wait a random time before each renewal, so that not all hosts ask the CA at once. */
  readonly jitter: boolean;
}

/** One run over the certificates: what it was asked for, and what it has opened. */
export interface Pass {
  readonly context: Context;
  readonly store: Store;
  readonly options: RenewOptions;
  readonly startedAt: Date;
  /** Each issuer once: its account, CA and solvers are shared by its certificates. */
  readonly pool: ToolsPool;
  readonly deployment: Deployment;
  /** The log lines of one certificate; among several each names its certificate. */
  readonly logOf: (name: string) => Log;
}

/** The outcome for one certificate. */
export interface Renewal {
  readonly name: string;
  readonly outcome: "renewed" | "not due" | "paused" | "failed" | "postponed";
  readonly due: Due;
  readonly held?: HeldCertificate | undefined;
  /** True if a temporary certificate was to be replaced. */
  readonly endsTemporary?: boolean | undefined;
  readonly files?: CertificateFiles | undefined;
  readonly pause?: Pause | undefined;
  readonly problem?: Problem | undefined;
  /** Anything that was not a Problem: a bug of ours, reported after the others had their turn. */
  readonly bug?: unknown;
  readonly deployProblem?: Problem | undefined;
  /** True if deploy steps that were left before are done now. */
  readonly isDeployed?: boolean | undefined;
}

/** A certificate with the CA's current renewal information, and its outcome unless it is to be replaced now. */
export interface Examined {
  readonly certificate: KnownCertificate;
  readonly renewal: Renewal | undefined;
}

/** Is it due, and may it be tried? With `asks`, by what the CA says now. */
export async function examine(
  certificate: KnownCertificate,
  asks: boolean,
  pass: Pass,
): Promise<Examined> {
  const { context, options, store } = pass;
  let known = certificate;
  try {
    if (asks) known = await withAri(certificate, pass);
  } catch (error) {
    context.signal.throwIfAborted();
    // A CA that cannot be asked now cannot renew the certificate later.
    const record = openRecord(context.clock.now(), context);
    await saveFailure(known.request, error, { store, record });
    return { certificate: known, renewal: failed(known, error, pass) };
  }
  const now = asks ? await timeAtCa(known, pass) : context.clock.now();
  const { name, held } = known;
  const due = dueOf(known, now, options.every);
  if (!options.force && due.at > now)
    return {
      certificate: known,
      renewal: { name, outcome: "not due", due, held, pause: offOf(known) },
    };
  const pause = pauseOf(known, now, options.force);
  if (pause?.reason === "off" && ["emergency", "expired"].includes(due.rule))
    pass.logOf(name).warn(`${name} has expired or is about to, and its renewal is off`);
  return {
    certificate: known,
    renewal: pause === undefined ? undefined : { name, outcome: "paused", due, held, pause },
  };
}

/** True if no local check fails: only then does waiting make sense. `issue` repeats them and reports what fails. */
export async function isReady({ request }: KnownCertificate, pass: Pass): Promise<boolean> {
  const { context, pool, startedAt } = pass;
  const record = openRecord(startedAt, { ...context, log: silentLog });
  try {
    await choose(request, { ...(await pool.open(request.issuer)), record });
    return true;
  } catch {
    context.signal.throwIfAborted();
    return false;
  }
}

const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {} };

/** Issue a successor, unless another run has done so meanwhile. */
export async function replace(certificate: KnownCertificate, pass: Pass): Promise<Renewal> {
  const { name, request, held: before } = certificate;
  const { startedAt, options } = pass;
  const { clock, signal } = pass.context;
  const log = pass.logOf(name);
  const due = dueOf(certificate, clock.now(), options.every);
  const reason = options.force && due.at > clock.now() ? "--force was given" : due.reason;
  const paused = await pausedByCa(certificate, due, pass);
  if (paused !== undefined) return paused;
  const text = before === undefined ? `issuing ${name}` : `renewing ${name}: ${reason}`;
  log.info(text, { step: "renew" });
  const isWanted = (found: KnownCertificate, now: Date) => {
    const changed = found.held?.version === before?.version ? certificate.changed : undefined;
    return options.force || dueOf({ ...found, changed }, now, options.every).at <= now;
  };
  try {
    const tools = await openTools(certificate, pass);
    await warnOfFormerCa(request, before, { ...tools, log });
    const { held, issued } = await issue(
      request,
      { isWanted, startedAt, letGo: options.letGo, force: options.force },
      { ...tools, log },
    );
    const endsTemporary = due.rule === "temporary";
    const outcome = issued ? "renewed" : "not due";
    return { name, outcome, due: { ...due, reason }, held, endsTemporary };
  } catch (error) {
    signal.throwIfAborted();
    const wasAsked =
      !Problem.is(error) || !error.is("backoff") || error.document.status !== undefined;
    const paused = wasAsked ? undefined : await pausedByCa(certificate, due, pass);
    return paused ?? failed(certificate, error, pass);
  }
}

/** RFC 9773 §4.3: the CA is asked right after issuance. It takes no turn of another certificate. */
export async function withNextDue(
  renewal: Renewal,
  certificate: KnownCertificate,
  pass: Pass,
): Promise<Renewal> {
  const { name, outcome, due } = renewal;
  if (outcome !== "renewed" && outcome !== "not due") return renewal;
  try {
    const after = await pass.store.certificates.read(name);
    if (after === undefined) return renewal;
    const next = dueOf(await withAri(after, pass), await timeAtCa(after, pass));
    return { ...renewal, due: { ...next, reason: due.reason } };
  } catch (error) {
    pass.context.signal.throwIfAborted();
    return failed(certificate, error, pass);
  }
}

/** The outcome while the CA accepts no orders of the account: it said so once, for all of its certificates. */
async function pausedByCa(
  { name, request, held }: KnownCertificate,
  due: Due,
  { store, context }: Pass,
): Promise<Renewal | undefined> {
  const pause = await caPause(request, store, context.clock.now());
  if (pause === undefined) return undefined;
  return { name, outcome: "paused", due, held, pause: { until: pause.end, reason: "ca" } };
}

/** Do the deploy steps that are still to be done, whatever became of the renewal. */
export async function deploy(
  renewal: Renewal,
  certificate: KnownCertificate,
  { deployment, context, store }: Pass,
): Promise<Renewal> {
  const { name, request } = certificate;
  if (renewal.outcome === "not due" && renewal.held === certificate.held && isDeployed(certificate))
    return renewal;
  if (renewal.outcome === "renewed" && stepsOf(request).length === 0) return renewal;
  try {
    const before = await store.certificates.read(name);
    const deployProblem = await deployment.deploy({ name, request });
    return { ...renewal, deployProblem, isDeployed: await wasDeployed(before, store) };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!Problem.is(error)) throw error;
    return { ...renewal, deployProblem: error };
  }
}

export function failed(certificate: KnownCertificate, error: unknown, pass: Pass): Renewal {
  const { name, held } = certificate;
  const due = dueOf(certificate, pass.context.clock.now());
  if (Problem.is(error)) return { name, outcome: "failed", due, held, problem: error };
  if (error instanceof Error) pass.logOf(name).debug(error.stack ?? error.message);
  return { name, outcome: "failed", due, held, bug: error };
}

/** A certificate whose record cannot be read fails without being tried. */
export function brokenRenewal({ name, problem }: BrokenCertificate, now: Date): Renewal {
  const due = {
    at: now,
    rule: "missing",
    reason: "its record, key or request cannot be read",
  } as const;
  return { name, outcome: "failed", due, problem };
}

/** The issuer's tools. What prevents them (a missing CA bundle or secret) is recorded as a failed attempt. */
async function openTools(
  { request }: KnownCertificate,
  { pool, context, store, startedAt }: Pass,
): Promise<IssueTools> {
  try {
    return await pool.open(request.issuer);
  } catch (error) {
    context.signal.throwIfAborted();
    const record = openRecord(startedAt, context);
    await saveFailure(request, error, { store, record });
    throw error;
  }
}

async function withAri(certificate: KnownCertificate, pass: Pass): Promise<KnownCertificate> {
  if (!mayAskCa(certificate, pass.context.clock.now())) return certificate;
  const tools = await pass.pool.open(issuerOf(certificate.request, certificate.held));
  return refreshAri(certificate, { ...tools, log: pass.logOf(certificate.name) });
}

async function timeAtCa({ request, held }: KnownCertificate, { pool }: Pass): Promise<Date> {
  return trueTime(await pool.open(issuerOf(request, held)));
}
