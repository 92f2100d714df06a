import type { Order } from "../acme/acme.ts";
import type { CertificateRequest, VersionMeta } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type {
  HeldCertificate,
  Lock,
  NewVersion,
  PendingOrder,
  Store,
  StoredCertificate,
} from "../store/store.ts";
import { openAccount, type OpenAccount } from "./account.ts";
import { beginAttempt } from "./attempt.ts";
import { chooseChallenges } from "./challenges.ts";
import {
  finalizeOrder,
  prepareKey,
  refuseAccountKey,
  type Issued,
  type KeyMaterial,
} from "./finalize.ts";
import { openJournal, type Journal } from "./journal.ts";
import { cleanLeftovers } from "./leftovers.ts";
import { fetchAuthorizations, placeOrder, resumeOrder } from "./order.ts";
import { driftOf, isExpired, requestHash } from "./request.ts";
import { solveChallenges } from "./solve.ts";
import { assignSolvers, serveNames, type Assignment, type ServedName } from "./targets.ts";
import type { IssueTools } from "./tools.ts";

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
    const good = goodCertificate(request, before, options, tools);
    if (good !== undefined) {
      await rememberChange(request, before, store);
      return { held: good, issued: false };
    }
    const names = await serveNames(request, tools);
    await store.checkWritable();
    await refuseAccountKey(request, store);
    await store.certificates.saveRequest(request);
    const startedAt = options.startedAt ?? tools.clock.now();
    return await recorded(request, { names, held: before?.held, startedAt }, lock, tools);
  } finally {
    await lock.release();
  }
}

/** What does not decide what is issued (solvers, hooks, copies) may have changed all the same. */
async function rememberChange(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  store: Store,
): Promise<void> {
  if (JSON.stringify(before?.request) !== JSON.stringify(request))
    await store.certificates.saveRequest(request);
}

function goodCertificate(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  { isWanted }: IssueOptions,
  { clock }: IssueTools,
): HeldCertificate | undefined {
  const held = before?.held;
  if (before === undefined || held === undefined) return undefined;
  if (driftOf(request, held) !== undefined || isExpired(held, clock.now())) return undefined;
  return isWanted?.(before) === true ? undefined : held;
}

/** What is known before the run begins. */
interface Start {
  readonly names: readonly ServedName[];
  readonly held: HeldCertificate | undefined;
  readonly startedAt: Date;
}

async function recorded(
  request: CertificateRequest,
  start: Start,
  lock: Lock,
  tools: IssueTools,
): Promise<IssueOutcome> {
  const attempt = beginAttempt(request, start.startedAt, tools);
  const { around } = tools;
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
  { names, held: predecessor }: Start,
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
  const key = prepareKey(request, resumed === undefined ? undefined : pending, tools);
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
  const held = await store.certificates.commit(
    request.name,
    versionOf(request, await key, account, issued, tools.clock.now()),
    lock,
  );
  await journal.end();
  return { held, order: issued.order };
}

/**
 * RFC 9773 §5: the certificate id of the predecessor, where this CA and account issued it for one of these names. It keeps
 * the order out of the CA's limits.
 */
function replaced(
  request: CertificateRequest,
  predecessor: HeldCertificate | undefined,
  account: OpenAccount,
): string | undefined {
  if (predecessor === undefined) return undefined;
  const { directory, account: issuedBy, identifiers, ariId } = predecessor.meta;
  const shared = identifiers.some(({ value }) =>
    request.identifiers.some((one) => one.value === value),
  );
  return shared && directory === request.issuer.server && issuedBy === account.stored.id
    ? ariId
    : undefined;
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

function versionOf(
  request: CertificateRequest,
  key: KeyMaterial,
  account: OpenAccount,
  { order, certificate }: Issued,
  issuedAt: Date,
): NewVersion {
  if (order.certificate === undefined) {
    throw new Problem("protocol", {
      detail: `The order ${order.url} is valid and names no certificate.`,
    });
  }
  const meta: VersionMeta = {
    identifiers: request.identifiers,
    serial: certificate.serial,
    fingerprint: certificate.fingerprint,
    issuer: certificate.issuer,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    keyType: request.csr === undefined ? request.keyType : "csr",
    directory: request.issuer.server,
    account: account.stored.id,
    ...(request.profile === undefined ? {} : { profile: request.profile }),
    ...(request.preferredChain === undefined ? {} : { preferredChain: request.preferredChain }),
    certificateUrl: order.certificate,
    orderUrl: order.url,
    ...(certificate.ariId === undefined ? {} : { ariId: certificate.ariId }),
    issuedAt: issuedAt.toISOString(),
    requestHash: requestHash(request),
  };
  return {
    ...(key.privateKey === undefined ? {} : { privateKey: key.privateKey }),
    certificate: certificate.leaf,
    chain: certificate.chain,
    meta,
  };
}
