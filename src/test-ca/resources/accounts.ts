import { json, type Answer } from "../server/answer.ts";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { checkExternalBinding } from "./external-account.ts";
import { payloadOf, signer, type SignedRequest } from "../signed/handler.ts";
import { orderStatus, newId, type Account, type State } from "../state.ts";

/** newAccount (RFC 8555 §7.3): registers the key, or finds the account that it has. */
export function newAccount(state: State, request: SignedRequest): Answer {
  const payload = payloadOf(request);
  const existing = accountOfKey(state, request.key.thumbprint);
  if (existing !== undefined) {
    if (existing.status === "deactivated") throw deactivated();
    return json(200, accountJson(state, existing), { location: accountUrl(state, existing) });
  }
  if (payload["onlyReturnExisting"] === true) {
    throw new AcmeProblem("accountDoesNotExist", "No account has this key.");
  }
  const contact = checkContacts(payload["contact"]);
  demandAgreement(state, payload);
  const externalAccountBinding = checkExternalBinding(state, request, payload);
  const account: Account = {
    id: newId(),
    ...request.key,
    status: "valid",
    contact,
    termsOfServiceAgreed: payload["termsOfServiceAgreed"] === true,
    externalAccountBinding,
    orders: [],
  };
  state.accounts.set(account.id, account);
  return json(201, accountJson(state, account), { location: accountUrl(state, account) });
}

/** Reads, updates (§7.3.2) or deactivates (§7.3.6) the signer's account. */
export function account(state: State, request: SignedRequest): Answer {
  const mine = ownAccount(request);
  if (request.jws.payload === "") return json(200, accountJson(state, mine));
  const { status, contact, termsOfServiceAgreed } = payloadOf(request);
  const nothing =
    status === undefined && contact === undefined && termsOfServiceAgreed === undefined;
  demand(!nothing, "Use POST-as-GET to read an account; an update must change something.");
  if (status !== undefined) {
    const known = status === "deactivated" || status === "valid";
    demand(known, `An account's status cannot be set to ${JSON.stringify(status)}.`);
  }
  if (contact !== undefined) mine.contact = checkContacts(contact);
  if (termsOfServiceAgreed === true) mine.termsOfServiceAgreed = true;
  if (status === "deactivated") deactivate(mine);
  return json(200, accountJson(state, mine));
}

/** The orders list (§7.1.2.1), 50 to a page, without those that are invalid. */
export function orders(state: State, request: SignedRequest): Answer {
  const mine = ownAccount(request);
  demand(request.jws.payload === "", "POST-as-GET requests must have an empty payload.");
  const cursor = Number(new URL(request.url).searchParams.get("cursor") ?? 0);
  demand(Number.isInteger(cursor) && cursor >= 0, "The cursor is not a number.");
  const listed = mine.orders.filter((order) => orderStatus(state, order) !== "invalid");
  const page = listed.slice(cursor, cursor + pageSize);
  const more = cursor + pageSize < listed.length;
  const next = `<${accountUrl(state, mine)}/orders?cursor=${cursor + pageSize}>;rel="next"`;
  return json(
    200,
    { orders: page.map((order) => `${state.base}/order/${order.id}`) },
    more ? { link: [next] } : {},
  );
}

const pageSize = 50;

/** The account that has this key, deactivated or not. */
export function accountOfKey(state: State, thumbprint: string): Account | undefined {
  for (const account of state.accounts.values()) {
    if (account.thumbprint === thumbprint) return account;
  }
  return undefined;
}

/** The account URL, which is also the `kid`. */
export function accountUrl(state: State, account: Account): string {
  return `${state.base}/account/${account.id}`;
}

/** §7.3.6: status 401, type unauthorized. */
export function deactivated(): AcmeProblem {
  return new AcmeProblem("unauthorized", "The account is deactivated.", { status: 401 });
}

/** The account object of §7.1.2. */
export function accountJson(state: State, account: Account): object {
  const { status, contact, termsOfServiceAgreed, externalAccountBinding } = account;
  return {
    status,
    contact,
    termsOfServiceAgreed,
    ...(externalAccountBinding === undefined ? {} : { externalAccountBinding }),
    orders: `${accountUrl(state, account)}/orders`,
  };
}

function ownAccount(request: SignedRequest): Account {
  const mine = signer(request);
  if (request.ids[0] === mine.id) return mine;
  throw new AcmeProblem("unauthorized", "The account URL is not the signer's.");
}

function deactivate(account: Account): void {
  account.status = "deactivated";
  for (const { authorizations } of account.orders) {
    for (const authorization of authorizations) {
      if (authorization.status === "pending") authorization.status = "deactivated";
    }
  }
}

function demandAgreement(state: State, payload: Record<string, unknown>): void {
  const { termsOfService } = state.settings;
  if (termsOfService === undefined || payload["termsOfServiceAgreed"] === true) return;
  throw new AcmeProblem(
    "userActionRequired",
    "The terms of service must be agreed to.",
    { instance: termsOfService },
    { link: `<${termsOfService}>;rel="terms-of-service"` },
  );
}

const mailAddress = /^[A-Za-z0-9.!#$&'*+/=^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/;

/** Checks contact URLs (RFC 8555 §7.3): `mailto:` with exactly one address and no header fields. */
function checkContacts(value: unknown): readonly string[] {
  if (value === undefined) return [];
  demand(Array.isArray(value), "contact is not a list.");
  return value.map((contact: unknown) => {
    demand(typeof contact === "string", "A contact is not a string.");
    checkContact(contact);
    return contact;
  });
}

function checkContact(contact: string): void {
  if (!contact.startsWith("mailto:")) {
    throw new AcmeProblem("unsupportedContact", `The contact "${contact}" is not a mailto: URL.`);
  }
  const address = contact.slice("mailto:".length);
  if (address.includes("?")) throw invalid(contact, "has header fields");
  if (address.includes(",")) throw invalid(contact, "has more than one address");
  if (!mailAddress.test(address)) throw invalid(contact, "is not a mail address");
}

function invalid(contact: string, why: string): AcmeProblem {
  return new AcmeProblem("invalidContact", `The contact "${contact}" ${why}.`);
}
