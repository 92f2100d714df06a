import type { Authorization, Order } from "../acme/acme.ts";
import { traitsOf } from "../acme/presets.ts";
import { isCaProblem } from "../acme/problems.ts";
import { signerOf } from "../acme/signer.ts";
import { identifierKey } from "../acme/identifiers.ts";
import type { CertificateRequest, KeyType, VersionMeta } from "../certificate.ts";
import { dateOf } from "../dates.ts";
import { shortList } from "../many-names.ts";
import type { Identifier } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate, OrderProgress, StoredCertificate } from "../state/store.ts";
import type { OpenAccount } from "../account/open.ts";
import { requestHash } from "../request/drift.ts";
import { datesOf } from "../request/terms.ts";
import type { KeyMaterial } from "./finalize.ts";
import type { OrderJournal } from "./journal.ts";
import type { IssueTools } from "./tools.ts";

/** Which unfinished orders of earlier runs are not resumed: those that the CA is stuck with, or all. */
export type LetGo = "stuck" | "all";

/**
 * The unfinished order of an earlier run, if it still fits this request and the CA still has it; undefined otherwise.
 * A valid one costs a download, a ready one a finalization: no second certificate is ordered.
 */
export async function resumeOrder(
  pending: OrderProgress | undefined,
  request: CertificateRequest,
  account: OpenAccount,
  letGo: LetGo | undefined,
  tools: IssueTools,
): Promise<Order | undefined> {
  if (pending?.orderUrl === undefined || !isFor(pending, request, account)) return undefined;
  const { record, signal } = tools;
  const log = record.log("order");
  if (letGo === "all") {
    log.info(`not resuming the unfinished order of ${dateOf(pending.startedAt)}`);
    return undefined;
  }
  try {
    const order = await account.session.order(pending.orderUrl, signal);
    if (!isUsable(order, pending, request, tools)) return undefined;
    if (letGo === "stuck" && order.status === "processing") {
      log.info(
        `not resuming the unfinished order of ${dateOf(pending.startedAt)}, which is still "processing"`,
      );
      return undefined;
    }
    record.order(order, dateOf(pending.startedAt));
    return order;
  } catch (error) {
    signal.throwIfAborted();
    if (!isGone(error)) throw notKnown(error, pending);
    log.info(`the order of ${dateOf(pending.startedAt)} is gone: ${error.message}`);
    return undefined;
  }
}

/** The CA has no such order, or not for this account. Any other answer, such as new terms (403) or a proxy's page (404), does not say so. */
function isGone(error: unknown): error is Problem {
  if (!Problem.is(error)) return false;
  const { status = 0 } = error.document;
  // A status without a problem document is a `protocol` Problem.
  const isSaid = (status === 404 || status === 410) && !error.is("protocol");
  return isSaid || isCaProblem(error, "unauthorized");
}

function notKnown(error: unknown, { startedAt }: OrderProgress): unknown {
  if (!Problem.is(error)) return error;
  return error.with({
    detail: `Could not read the unfinished order of ${dateOf(startedAt)}: ${error.message}`,
    hint: `${error.hint ?? ""} The next run tries to resume it. To place a new order instead, add --new-order.`.trim(),
  });
}

/** A finalized order is of use only with the key that it was finalized for, and any order only for the names that were ordered. */
function isUsable(
  { status, identifiers, expires }: Order,
  { csr }: OrderProgress,
  request: CertificateRequest,
  { clock, ca }: IssueTools,
): boolean {
  if (namesOf(identifiers) !== namesOf(request.identifiers)) return false;
  if (status === "valid" || status === "processing") return csr !== undefined;
  const now = clock.now().getTime() + ca.clockSkew;
  return status !== "invalid" && (expires === undefined || expires.getTime() > now);
}

function namesOf(identifiers: readonly Identifier[]): string {
  return identifiers.map(identifierKey).toSorted().join();
}

function isFor(pending: OrderProgress, request: CertificateRequest, account: OpenAccount): boolean {
  return (
    pending.requestHash === requestHash(request) &&
    pending.accountId === account.stored.id &&
    !traitsOf(request.issuer.server).forgets
  );
}

/** A new order (RFC 8555 §7.4). A profile that the CA does not advertise is an error; a CA without profiles only where one is required. */
export async function placeOrder(
  request: CertificateRequest,
  predecessor: VersionMeta | undefined,
  account: OpenAccount,
  journal: OrderJournal,
  tools: IssueTools,
  key?: Promise<KeyMaterial>,
  /** For the log, of the second of two. */
  keyType?: KeyType,
): Promise<Order> {
  const profile = await checkedProfile(request, tools);
  const { renewalInfo } = await tools.ca.directory(tools.signal);
  const replaces =
    renewalInfo === undefined ? undefined : certificateToReplace(request, predecessor, account);
  const now = new Date(tools.clock.now().getTime() + tools.ca.clockSkew);
  const wanted = {
    identifiers: request.identifiers,
    profile,
    ...datesOf(request, now),
    replaces,
    renews: isRenewal(request, predecessor) || undefined,
  };
  await account.session.assertRoom?.(wanted);
  const names = shortList(request.identifiers.map(({ value }) => value));
  const type = request.secondKeyType === undefined ? keyType : request.keyType;
  tools.record
    .log("order")
    .info(`ordering ${names}${type === undefined ? "" : ` with the key type ${type}`}`);
  const order = await account.session.newOrder(wanted, tools.signal);
  // Some keys take seconds to make.
  const made = await Promise.race([key, Promise.resolve(undefined)]).catch(() => undefined);
  await journal.begin(order, request, account.stored.id, made);
  tools.record.order(order);
  if (replaces !== order.replaces)
    tools.record.log("order").debug("the CA did not confirm which certificate the order replaces");
  return order;
}

/** Where a new order is certain and a limit is known to be used up, nothing is done for it. Another issuer may have room. */
export async function refuseWithoutRoom(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  { ca, store, accountId }: IssueTools,
): Promise<void> {
  const { identifiers, issuer, issuers, keyType, secondKeyType } = request;
  if (issuers !== undefined || (await store.journal.read(request.name)) !== undefined) return;
  const accounts = await store.accounts.ofDirectory(issuer.server);
  const stored = accounts.find(
    ({ id, status = "valid" }) => status === "valid" && (accountId ?? id) === id,
  );
  if (stored?.url === undefined) return;
  const predecessor = predecessorOf(before?.held, keyType, secondKeyType);
  const replaces = certificateToReplace(request, predecessor, { stored });
  const renews = isRenewal(request, predecessor) || undefined;
  await ca
    .session(signerOf(stored.key), stored.url)
    .assertRoom?.({ identifiers, replaces, renews });
}

/** The certificate held whose place a new one takes: that of its key type, or one that the `other` new one does not replace. */
export function predecessorOf(
  held: HeldCertificate | undefined,
  keyType: KeyType,
  other: KeyType | undefined,
): VersionMeta | undefined {
  const metas = [held?.meta, held?.meta.second].filter((meta) => meta !== undefined);
  return (
    metas.find((meta) => meta.keyType === keyType) ?? metas.find((meta) => meta.keyType !== other)
  );
}

/**
 * RFC 9773 §5: the certificate id of the predecessor, where this CA and account issued it for one of these names. It keeps
 * the order out of the CA's limits.
 */
function certificateToReplace(
  request: CertificateRequest,
  predecessor: VersionMeta | undefined,
  account: Pick<OpenAccount, "stored">,
): string | undefined {
  if (predecessor === undefined) return undefined;
  const { directory, account: issuedBy, identifiers, ariId } = predecessor;
  const shared = identifiers.some(({ value }) =>
    request.identifiers.some((one) => one.value === value),
  );
  return shared && directory === request.issuer.server && issuedBy === account.stored.id
    ? ariId
    : undefined;
}

/** True if the CA has issued the predecessor for exactly these names, by whatever account. */
function isRenewal(
  { identifiers, issuer }: CertificateRequest,
  predecessor: VersionMeta | undefined,
): boolean {
  if (predecessor?.directory !== issuer.server) return false;
  return namesOf(predecessor.identifiers) === namesOf(identifiers);
}

async function checkedProfile(
  request: CertificateRequest,
  tools: IssueTools,
): Promise<string | undefined> {
  const { profile } = request;
  if (profile === undefined) return undefined;
  const { profiles } = (await tools.ca.directory(tools.signal)).meta;
  if (Object.hasOwn(profiles, profile)) return profile;
  const offered = Object.entries(profiles).map(([name, description]) => `${name} (${description})`);
  const detail =
    offered.length === 0
      ? `${tools.ca.url} offers no profiles, and "${profile}" was asked for.`
      : `${tools.ca.url} does not offer the profile "${profile}". It offers: ${offered.join(", ")}.`;
  if (request.profileRequired === true || offered.length > 0) {
    throw new Problem("usage", {
      title: "Unknown profile",
      detail,
      hint:
        offered.length > 0
          ? "Choose one of those with --profile."
          : "Leave --required-profile out, or choose a CA that has it.",
    });
  }
  tools.record.log("order").warn(`${detail} Continuing without a profile.`);
  return undefined;
}

/** Every authorization of the order, fetched side by side. */
export async function fetchAuthorizations(
  order: Order,
  account: OpenAccount,
  { record, signal }: IssueTools,
): Promise<readonly Authorization[]> {
  const authorizations = await Promise.all(
    order.authorizations.map((url) => account.session.authorization(url, signal)),
  );
  for (const authorization of authorizations) record.authorization(authorization);
  return authorizations;
}
