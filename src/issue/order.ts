import type { Authorization, Order } from "../acme/acme.ts";
import { isEmbedded } from "../acme/presets.ts";
import { identifierKey } from "../acme/identifiers.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Identifier } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate, PendingOrder } from "../state/store.ts";
import type { OpenAccount } from "../account/open.ts";
import { requestHash } from "../request/drift.ts";
import type { IssueTools } from "./tools.ts";

/**
 * The order of a run that died, when it still fits this request and the CA still has it; undefined otherwise.
 * A valid one costs a download, a ready one a finalization: no second certificate is ordered.
 */
export async function resumeOrder(
  pending: PendingOrder | undefined,
  request: CertificateRequest,
  account: OpenAccount,
  tools: IssueTools,
): Promise<Order | undefined> {
  if (pending?.orderUrl === undefined || !isFor(pending, request, account)) return undefined;
  try {
    const order = await account.session.order(pending.orderUrl, tools.signal);
    if (!isUsable(order, pending, request)) return undefined;
    tools.record.order(order, pending.startedAt);
    return order;
  } catch (error) {
    tools.signal.throwIfAborted();
    if (!Problem.is(error) || error.is("network") || error.exitCode === 6) throw error;
    const log = tools.record.log("order");
    log.info(`the order of ${pending.startedAt} is gone: ${error.message}`);
    return undefined;
  }
}

/** True when the run that died had begun to finalize, so that the names were proven. */
export function mayBeProven(
  pending: PendingOrder | undefined,
  request: CertificateRequest,
): boolean {
  return pending?.csr !== undefined && pending.requestHash === requestHash(request);
}

/** A finalized order is of use only with the key that it was finalized for, and any order only for the names that were ordered. */
function isUsable(
  { status, identifiers }: Order,
  { csr }: PendingOrder,
  request: CertificateRequest,
): boolean {
  if (namesOf(identifiers) !== namesOf(request.identifiers)) return false;
  return status === "valid" || status === "processing" ? csr !== undefined : status !== "invalid";
}

function namesOf(identifiers: readonly Identifier[]): string {
  return identifiers.map(identifierKey).toSorted().join();
}

function isFor(pending: PendingOrder, request: CertificateRequest, account: OpenAccount): boolean {
  return (
    pending.requestHash === requestHash(request) &&
    pending.accountId === account.stored.id &&
    // The embedded CA forgets its orders when it ends.
    !isEmbedded(request.issuer.server)
  );
}

/** A new order (RFC 8555 §7.4). A profile that the CA does not advertise is an error; a CA without profiles only where one is required. */
export async function placeOrder(
  request: CertificateRequest,
  replaces: string | undefined,
  account: OpenAccount,
  tools: IssueTools,
): Promise<Order> {
  const profile = await checkedProfile(request, tools);
  const names = request.identifiers.map(({ value }) => value).join(", ");
  tools.record.log("order").info(`ordering ${names}`);
  const { renewalInfo } = await tools.ca.directory(tools.signal);
  const order = await account.session.newOrder(
    {
      identifiers: request.identifiers,
      ...(profile === undefined ? {} : { profile }),
      ...(replaces === undefined || renewalInfo === undefined ? {} : { replaces }),
    },
    tools.signal,
  );
  tools.record.order(order);
  return order;
}

/**
 * RFC 9773 §5: the certificate id of the predecessor, where this CA and account issued it for one of these names. It keeps
 * the order out of the CA's limits.
 */
export function replaced(
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
  tools.record.log("order").warn(`${detail} Going on without.`);
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
