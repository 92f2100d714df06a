import { openAccount } from "../account/open.ts";
import type { CertificateRequest } from "../certificate.ts";
import {
  changedNames,
  goodCertificate,
  isExpired,
  withFirstIssuer,
  withoutTemporary,
} from "../request/drift.ts";
import { assertTargets } from "../request/given-file.ts";
import type { HeldCertificate, Lock, StoredCertificate } from "../state/store.ts";
import { applicantOf, computeChallenges, type Choice } from "./proof/challenges.ts";
import { choose, preflight } from "./proof/choose.ts";
import { finalizeOrder, prepareKey, refuseSame, versionOf } from "./finalize.ts";
import { byIssuer, refuseUnmetElsewhere } from "./issuers.ts";
import { mayBeProven, openJournal } from "./journal.ts";
import {
  fetchAuthorizations,
  placeOrder,
  predecessorOf,
  refuseWithoutRoom,
  resumeOrder,
  type LetGo,
} from "./order.ts";
import {
  changedProof,
  refuseAccountKey,
  refuseByLimit,
  refuseTestOverLive,
  refuseUnmet,
  rememberChange,
} from "./preconditions.ts";
import { openRecord, saveFailure, saveSuccess } from "./record.ts";
import { rehearseChange } from "./proof/rehearsal.ts";
import { cleanUp, prove } from "./proof/solve.ts";
import { trueTime, type IssueTools } from "./tools.ts";

export interface IssueOptions {
  /**
   * Whether the certificate held is to be replaced, asked under the lock; by default when it does not satisfy the request, or has
   * expired. Another run may have renewed it while this one waited.
   */
  readonly isWanted?: ((certificate: StoredCertificate, now: Date) => boolean) | undefined;
  /** When the whole pass began, from which back-off counts: runs a minute apart then find it over after a minute. */
  readonly startedAt?: Date;
  readonly letGo?: LetGo | undefined;
  /** Order although we would wait: see `refuseByLimit`. */
  readonly force?: boolean | undefined;
  /** Called before names of the certificate held are dropped; rejects to keep them. */
  readonly onDrop?: ((names: readonly string[]) => Promise<void>) | undefined;
  /** Try another way to prove the names before it is stored beside a good certificate. */
  readonly rehearse?: boolean;
}

export interface IssueOutcome {
  readonly held: HeldCertificate;
  /** False when the certificate held was good already and nothing was done. */
  readonly issued: boolean;
  /** Names that the certificate held before did not have. */
  readonly added: readonly string[];
  /** Names of the certificate held before that this one does not have. */
  readonly dropped: readonly string[];
  /** How renewals will prove the names from now on, where that changed and nothing was issued. */
  readonly changed?: string | undefined;
  /** Further settings that renewals use from now on, in words, where nothing was issued. */
  readonly settings?: readonly string[] | undefined;
}

/**
 * Get the certificate that `request` wants, or do nothing when a good one is held. All of it happens under the
 * certificate's lock; what is held changes in one rename, or not at all.
 */
export async function issue(
  request: CertificateRequest,
  options: IssueOptions,
  given: IssueTools,
): Promise<IssueOutcome> {
  const tools = { ...given, record: openRecord(options.startedAt ?? given.clock.now(), given) };
  const { store, signal, record, lockTimeout } = tools;
  const lock = await store.lock(`certificate:${request.name}`, {
    wait: lockTimeout,
    signal,
    onWait: (holder) =>
      record.log("lock").info(`waiting for ${holder}, which is working on ${request.name}`),
  });
  try {
    const before = withoutTemporary(await store.certificates.read(request.name));
    const good = goodCertificate(request, before, options.isWanted, trueTime(tools));
    if (good !== undefined) {
      const changed = changedProof(request, before);
      if (changed !== undefined && options.rehearse === true) await rehearseChange(request, tools);
      const settings = await rememberChange(request, before, store);
      return { held: good, issued: false, added: [], dropped: [], changed, settings };
    }
    const { dropped, added } = changedNames(request, before?.held);
    if (dropped.length > 0) await options.onDrop?.(dropped);
    const held = await replace(request, before, lock, options, tools);
    return { held, issued: held !== before?.held, added, dropped };
  } finally {
    await lock.release();
  }
}

/** Issue, and store how that ended. Of a certificate that was never held nothing is stored before an order is about to be made. */
async function replace(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  lock: Lock,
  options: IssueOptions,
  tools: IssueTools,
): Promise<HeldCertificate> {
  const { around } = tools;
  const predecessor = before?.held;
  // What the config wants is listed before it is issued, and so is why it could not be.
  let isStored = predecessor !== undefined || request.fromConfig === true;
  try {
    const choices = await prepare(request, before, options, tools);
    isStored = true;
    const spared = await sparedByCa(request, before, options, tools);
    if (spared !== undefined) return spared;
    if (request.temporary === true && predecessor === undefined)
      await (await import("./temporary.ts")).storeTemporary(request, lock, tools);
    // Of several accounts, another one may have room.
    if (request.issuer.accounts === undefined) await refuseWithoutRoom(request, before, tools);
    if (request.dane !== undefined)
      await (await import("./dane/dane.ts")).keysAhead(request, before, tools);
    await around.pre(request, predecessor);
    const run = (request: CertificateRequest, tools: IssueTools) =>
      obtain(request, choices, before, { lock, letGo: options.letGo }, tools);
    const held = await (request.issuers
      ? byIssuer(request, options.letGo, tools, run)
      : run(request, tools));
    around.issued(request);
    return held;
  } catch (error) {
    if (isStored) {
      await saveFailure(request, error, tools);
      await around.failure(request, error, predecessor);
    }
    throw error;
  }
}

/** The certificate held, if only a wrong clock says that it must go. A CA that does not answer is reported later. */
async function sparedByCa(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  { isWanted, force }: IssueOptions,
  tools: IssueTools,
): Promise<HeldCertificate | undefined> {
  // A pre hook may be what opens the way to the CA.
  if (before?.held === undefined || force === true || request.hooks.pre !== undefined)
    return undefined;
  await tools.ca.directory(tools.signal).catch(() => undefined);
  const spared = goodCertificate(request, before, isWanted, trueTime(tools));
  if (spared)
    tools.record.log("clock").info(`${request.name} is kept: it is good by the CA's clock`);
  return spared;
}

/** All that can be known here, before anything is stored or asked. */
async function prepare(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  options: IssueOptions,
  tools: IssueTools,
): Promise<readonly Choice[]> {
  const { store, clock } = tools;
  await refuseByLimit(request, before ?? {}, options.force === true, tools);
  refuseTestOverLive(request, before?.held);
  await refuseUnmet(request, tools);
  if (request.issuers) await refuseUnmetElsewhere(request, before, tools);
  await refuseAccountKey(request, store);
  const choices = await choose(request, tools);
  if (before?.held === undefined) await assertTargets(request);
  await store.checkWritable();
  // It goes on beside all that follows. A pre hook may be what opens the way to the CA.
  if (request.hooks.pre === undefined) tools.ca.prepare(tools.signal);
  // A request that fails must not take the place of the one that keeps a good certificate fresh.
  if (before?.held === undefined || isExpired(before.held, clock.now()))
    await store.certificates.saveRequest(request);
  return choices;
}

/** Of several accounts, the one that orders this certificate. */
async function accountOf(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  tools: IssueTools,
): Promise<string | undefined> {
  if (request.issuer.accounts === undefined) return tools.accountId;
  const { accountInTurn } = await import("../account/in-turn.ts");
  return accountInTurn(request, before?.held, { ...tools, log: tools.record.log("account") });
}

/** Order, prove, finalize, commit. An order of a run that died is resumed where it left off. */
async function obtain(
  request: CertificateRequest,
  choices: readonly Choice[],
  before: StoredCertificate | undefined,
  { lock, letGo }: { readonly lock: Lock; readonly letGo: LetGo | undefined },
  tools: IssueTools,
): Promise<HeldCertificate> {
  const { store, clock } = tools;
  tools.ca.prepare(tools.signal);
  const journal = await openJournal(request.name, tools, request, lock);
  const { unfinished } = journal;
  // What may be finalized already needs no solver any more; everything else is checked before an order is placed.
  const early = mayBeProven(unfinished, request) ? undefined : await preflight(choices, tools);

  const log = tools.record.log("account");
  const accountId = await accountOf(request, before, tools);
  const account = await openAccount(request.issuer, { ...tools, log, accountId });
  const resumed = await resumeOrder(unfinished, request, account, letGo, tools);
  const key = prepareKey(request, resumed && unfinished, before, tools);
  // Whatever fails first is reported; a key that fails meanwhile must not become an unhandled rejection.
  key.catch(() => undefined);

  const isProven = resumed !== undefined && resumed.status !== "pending";
  const checked = isProven ? [] : (early ?? (await preflight(choices, tools)));
  if (checked.some(({ solver }) => solver.plugin.stateless !== undefined)) {
    const { checkAnyToken } = await import("./proof/any-token.ts");
    await checkAnyToken(checked, request, account.session, tools);
  }
  const predecessor = predecessorOf(before?.held, request.keyType, request.secondKeyType);
  const order = resumed ?? (await placeOrder(request, predecessor, account, journal, tools, key));
  if (!isProven) {
    const authorizations = await fetchAuthorizations(order, account, tools);
    const applicant = await applicantOf(account.session, tools);
    const challenges = computeChallenges(authorizations, checked, applicant);
    await prove(challenges, request, account.session, journal, tools);
  }

  const cleaned = cleanUp(journal, tools);
  const finalized = key.then((made) =>
    finalizeOrder(order, made, request, account, journal, tools),
  );
  await Promise.allSettled([finalized, cleaned]);
  const issued = await finalized;
  await refuseSame(issued.certificate.fingerprint, before, order, journal);
  await store.certificates.saveRequest(withFirstIssuer(request));
  const first = versionOf(request, await key, account, issued, clock.now());
  const second = request.secondKeyType && (await import("./second-key.ts"));
  const shared = { account, journal, letGo };
  const version = second
    ? await second.withSecondKey(first, request, before, choices, shared, tools)
    : first;
  const held = await store.certificates.commit(request.name, version, lock);
  await Promise.all([journal.end(), saveSuccess(request, tools)]);
  return held;
}
