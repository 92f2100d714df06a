import type { Authorization, Order } from "../acme/acme.ts";
import { orderedName } from "../acme/objects/authorization.ts";
import { identifierKey } from "../acme/identifiers.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Identifier } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { PendingOrder } from "../state/store.ts";
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
    tools.log.info(`resuming the order of ${pending.startedAt} (${order.status})`, {
      step: "order",
      order: order.url,
    });
    return order;
  } catch (error) {
    tools.signal.throwIfAborted();
    if (!Problem.is(error) || error.is("network") || error.exitCode === 6) throw error;
    tools.log.info(`the order of ${pending.startedAt} is gone: ${error.message}`, {
      step: "order",
    });
    return undefined;
  }
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
    request.issuer.server !== "local"
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
  tools.log.info(`ordering ${request.identifiers.map(({ value }) => value).join(", ")}`, {
    step: "order",
  });
  const { renewalInfo } = await tools.ca.directory(tools.signal);
  return account.session.newOrder(
    {
      identifiers: request.identifiers,
      ...(profile === undefined ? {} : { profile }),
      ...(replaces === undefined || renewalInfo === undefined ? {} : { replaces }),
    },
    tools.signal,
  );
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
  tools.log.warn(`${detail} Going on without.`, { step: "order" });
  return undefined;
}

/** Every authorization of the order, fetched side by side. */
export async function fetchAuthorizations(
  order: Order,
  account: OpenAccount,
  { log, signal }: IssueTools,
): Promise<readonly Authorization[]> {
  log.debug(`the order is ${order.url}`, { step: "order", order: order.url });
  const authorizations = await Promise.all(
    order.authorizations.map((url) => account.session.authorization(url, signal)),
  );
  for (const authorization of authorizations) {
    const { value: identifier } = orderedName(authorization);
    const { url, status } = authorization;
    log.debug(`the authorization of ${identifier} is ${status}`, {
      step: "order",
      identifier,
      authorization: url,
      status,
    });
  }
  return authorizations;
}
