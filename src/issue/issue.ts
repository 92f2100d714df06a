import type { Order } from "../acme/acme.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { HeldCertificate, Lock, PendingOrder, StoredCertificate } from "../state/store.ts";
import { openAccount, type OpenAccount } from "../account/open.ts";
import { beginAttempt, type Attempt } from "./attempt.ts";
import {
  goodCertificate,
  refuseByCa,
  refuseTestOverLive,
  rememberChange,
  revokedFor,
} from "./before.ts";
import { chooseChallenges } from "./challenges.ts";
import { finalizeOrder, prepareKey, refuseAccountKey } from "./finalize.ts";
import { openJournal, type Journal } from "./journal.ts";
import { cleanLeftovers } from "./leftovers.ts";
import { fetchAuthorizations, placeOrder, resumeOrder } from "./order.ts";
import { isExpired, requestHash } from "../request/drift.ts";
import { solveChallenges } from "./solve.ts";
import { assignSolvers, serveNames, type Assignment, type ServedName } from "./targets.ts";
import type { IssueTools } from "./tools.ts";
import { replaced, versionOf } from "./version.ts";

export interface IssueOptions {
  /**
   * Whether what is held is to be replaced, asked under the lock; by default when it does not satisfy the request, or has
   * expired. Another run may have renewed it while this one waited.
   */
  readonly isWanted?: (certificate: StoredCertificate) => boolean;
  /** When the whole pass began, from which back-off counts: runs a minute apart then find it over after a minute. */
  readonly startedAt?: Date;
}

export interface IssueOutcome {
  readonly held: HeldCertificate;
  /** False when what was held was good already and nothing was done. */
  readonly issued: boolean;
}

/**
 * Get the certificate that `request` wants, or do nothing when a good one is held. All of it happens under the
 * certificate's lock; what is held changes in one rename, or not at all.
 */
export async function issue(
  request: CertificateRequest,
  options: IssueOptions,
  tools: IssueTools,
): Promise<IssueOutcome> {
  const { store, log, timeouts, signal } = tools;
  const lock = await store.lock(`certificate:${request.name}`, {
    wait: timeouts.lock,
    signal,
    onWait: (holder) =>
      log.info(`waiting for ${holder}, which works on ${request.name}`, { step: "lock" }),
  });
  try {
    const before = await store.certificates.read(request.name);
    const good = goodCertificate(request, before, options.isWanted, tools);
    if (good !== undefined) {
      await rememberChange(request, before, store);
      return { held: good, issued: false };
    }
    const startedAt = options.startedAt ?? tools.clock.now();
    const attempt = beginAttempt(request, startedAt, tools);
    const start = { held: before?.held, revoked: revokedFor(before), attempt };
    const names = await prepared(request, before, start, tools);
    return await recorded(request, { ...start, names }, lock, tools);
  } finally {
    await lock.release();
  }
}

/**
 * All that can be known here, before anything is kept or asked. Of a certificate that is held a failure is remembered, and told
 * to its hooks: it is one on the way to expiry. Of one that never was, nothing stays.
 */
async function prepared(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  { held, attempt }: Omit<Start, "names">,
  tools: IssueTools,
): Promise<readonly ServedName[]> {
  const { store, clock, around } = tools;
  try {
    refuseByCa(request, before, clock.now());
    refuseTestOverLive(request, held);
    const names = await serveNames(request, tools);
    await store.checkWritable();
    await refuseAccountKey(request, store);
    // A request that fails must not take the place of the one that keeps a good certificate fresh.
    if (held === undefined || isExpired(held, clock.now()))
      await store.certificates.saveRequest(request);
    return names;
  } catch (error) {
    if (held !== undefined) {
      await attempt.failed(error);
      await around.failure(request, error, held);
    }
    throw error;
  }
}

/** What is known before the run begins. */
interface Start {
  readonly names: readonly ServedName[];
  readonly held: HeldCertificate | undefined;
  /** The reason for which what is held was revoked. */
  readonly revoked: string | undefined;
  readonly attempt: Attempt;
}

async function recorded(
  request: CertificateRequest,
  start: Start,
  lock: Lock,
  tools: IssueTools,
): Promise<IssueOutcome> {
  const { around } = tools;
  const { attempt } = start;
  try {
    await around.pre(request, start.held);
    const { held, order } = await run(request, start, lock, { ...tools, log: attempt.log });
    await attempt.succeeded(order.url);
    around.issued(request);
    return { held, issued: true };
  } catch (error) {
    await attempt.failed(error);
    await around.failure(request, error, start.held);
    throw error;
  }
}

async function run(
  request: CertificateRequest,
  { names, held: predecessor, revoked }: Start,
  lock: Lock,
  tools: IssueTools,
) {
  const { store } = tools;
  await cleanLeftovers(request.name, tools);
  const pending = await store.journal.read(request.name);
  // What may be finalized already needs no solver any more; everything else is checked before the CA hears of us.
  const begun = pending?.csr !== undefined && pending.requestHash === requestHash(request);
  const assignments = begun ? undefined : await assignSolvers(names, request, tools);
  const account = await openAccount(request.issuer, tools);
  const resumed = await resumeOrder(pending, request, account, tools);
  const key = prepareKey(
    revoked === "keyCompromise" ? { ...request, reuseKey: false } : request,
    resumed === undefined ? undefined : pending,
    tools,
  );
  // Whatever fails first is what is told; a key that fails meanwhile must not become an unhandled rejection.
  key.catch(() => undefined);
  const { order, journal } = await prove(
    request,
    replaced(request, predecessor, account),
    account,
    { names, assignments, pending, resumed },
    tools,
  );
  const issued = await finalizeOrder(order, await key, request, account, journal, tools);
  await store.certificates.saveRequest(request);
  const held = await store.certificates.commit(
    request.name,
    versionOf(request, await key, account, issued, tools.clock.now()),
    lock,
  );
  await journal.end();
  return { held, order: issued.order };
}

interface Known {
  readonly names: readonly ServedName[];
  /** Absent until a resumed order turns out to need them. */
  readonly assignments: readonly Assignment[] | undefined;
  /** The journal of a run that died, and its order where it is still of use. */
  readonly pending: PendingOrder | undefined;
  readonly resumed: Order | undefined;
}

/** From no order, or a resumed one, to an order whose authorizations are all valid. */
async function prove(
  request: CertificateRequest,
  replaces: string | undefined,
  account: OpenAccount,
  known: Known,
  tools: IssueTools,
): Promise<{ order: Order; journal: Journal }> {
  const { resumed } = known;
  if (resumed !== undefined && known.pending !== undefined && resumed.status !== "pending") {
    return { order: resumed, journal: openJournal(tools.store, known.pending) };
  }
  const assignments = known.assignments ?? (await assignSolvers(known.names, request, tools));
  const order = resumed ?? (await placeOrder(request, replaces, account, tools));
  const journal = openJournal(tools.store, {
    ...(resumed === undefined ? {} : known.pending),
    // What a former run could not clean up is owed whatever becomes of its order.
    presented: known.pending?.presented ?? [],
    name: request.name,
    orderUrl: order.url,
    directory: request.issuer.server,
    accountId: account.stored.id,
    requestHash: requestHash(request),
    startedAt: tools.clock.now().toISOString(),
  });
  await journal.update({});
  const authorizations = await fetchAuthorizations(order, account, tools);
  const challenges = chooseChallenges(authorizations, assignments, account.session.thumbprint);
  await solveChallenges(challenges, request, account.session, journal, tools);
  return { order, journal };
}
