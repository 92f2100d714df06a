import { createHmac, timingSafeEqual } from "node:crypto";
import { json, type Answer } from "../server/answer.ts";
import { AcmeProblem, demand } from "../acme-problem.ts";
import {
  deactivated,
  demandPostAsGet,
  payloadOf,
  signer,
  type SignedRequest,
} from "../signed/request.ts";
import { isRecord } from "../../json.ts";
import { parseObject, readJwk, readJws, verifyJws, type Jws } from "../signed/jws.ts";
import { accountUrl, newId, orderStatus, type Account, type State } from "../state.ts";

/** newAccount (RFC 8555 §7.3): registers the key, or finds the account that it has. */
export function newAccount(state: State, request: SignedRequest): Answer {
  const payload = payloadOf(request);
  const existing = accountOfKey(state, request.key.thumbprint);
  if (existing !== undefined) {
    if (existing.status === "deactivated") throw deactivated();
    return json(200, accountJson(state, existing), { location: accountUrl(state, existing) });
  }
  const isSearch = payload["onlyReturnExisting"] === true;
  demand(!isSearch, "No account has this key.", "accountDoesNotExist");
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
    demand(known, `The status of an account cannot be set to ${JSON.stringify(status)}.`);
  }
  if (contact !== undefined) mine.contact = checkContacts(contact);
  if (termsOfServiceAgreed === true) mine.termsOfServiceAgreed = true;
  if (status === "deactivated") deactivate(mine);
  return json(200, accountJson(state, mine));
}

/** The orders list (§7.1.2.1), 50 to a page, without those that are invalid. */
export function orders(state: State, request: SignedRequest): Answer {
  const mine = ownAccount(request);
  demandPostAsGet(request);
  const cursor = Number(new URL(request.url).searchParams.get("cursor") ?? 0);
  demand(Number.isInteger(cursor) && cursor >= 0, "The cursor is not a number.");
  const listed = mine.orders.filter((order) => orderStatus(state, order) !== "invalid");
  const page = listed.slice(cursor, cursor + pageSize);
  const more = cursor + pageSize < listed.length;
  const next = `<${accountUrl(state, mine)}/orders?cursor=${cursor + pageSize}>;rel="next"`;
  const urls = page.map((order) => `${state.base}/order/${order.id}`);
  return json(200, { orders: urls }, more ? { link: [next] } : {});
}

const pageSize = 50;

/** keyChange (RFC 8555 §7.3.5): the outer JWS is signed by the old key, the inner one by the new. */
export function keyChange(state: State, request: SignedRequest): Answer {
  const account = signer(request);
  const inner = readJws(payloadOf(request));
  const { jwk, kid, nonce, url } = inner.header;
  demand(jwk !== undefined && kid === undefined, "The inner JWS must have a jwk and no kid.");
  demand(nonce === undefined, "The inner JWS must not have a nonce.");
  demand(url === request.url, "The url of the inner JWS is not that of the outer one.");
  const fresh = readJwk(jwk);
  verifyJws(inner, fresh.key);

  const change = parseObject(inner.payload, "The inner payload");
  const { account: inside, oldKey } = change;
  demand(inside === accountUrl(state, account), "The inner account is not the signer's.");
  demand(isRecord(oldKey), "The oldKey is missing.");
  demand(readJwk(oldKey).thumbprint === account.thumbprint, "The oldKey is not the account's.");

  const holder = accountOfKey(state, fresh.thumbprint);
  if (holder !== undefined) {
    const detail = "The new key belongs to an account already.";
    const location = accountUrl(state, holder);
    throw new AcmeProblem("malformed", detail, { status: 409 }, { location });
  }
  Object.assign(account, fresh);
  return json(200, accountJson(state, account), { location: accountUrl(state, account) });
}

/** The account that has this key, deactivated or not. */
function accountOfKey(state: State, thumbprint: string): Account | undefined {
  return [...state.accounts.values()].find((account) => account.thumbprint === thumbprint);
}

/** The account object of §7.1.2. */
function accountJson(state: State, account: Account): object {
  const { status, contact, termsOfServiceAgreed, externalAccountBinding } = account;
  const orders = `${accountUrl(state, account)}/orders`;
  return { status, contact, termsOfServiceAgreed, externalAccountBinding, orders };
}

function ownAccount(request: SignedRequest): Account {
  const mine = signer(request);
  demand(request.ids[0] === mine.id, "The account URL is not the signer's.", "unauthorized");
  return mine;
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
  const [name, type] = [`The contact "${contact}"`, "invalidContact"];
  demand(contact.startsWith("mailto:"), `${name} is not a mailto: URL.`, "unsupportedContact");
  const address = contact.slice("mailto:".length);
  demand(!address.includes("?"), `${name} has header fields.`, type);
  demand(!address.includes(","), `${name} has more than one address.`, type);
  demand(mailAddress.test(address), `${name} is not a mail address.`, type);
}

/** Verifies an external account binding (RFC 8555 §7.3.4) and returns it, to be shown in the account object. */
function checkExternalBinding(
  state: State,
  request: SignedRequest,
  payload: Record<string, unknown>,
): unknown {
  const binding = payload["externalAccountBinding"];
  if (binding === undefined) {
    const detail =
      "This CA binds accounts to external ones: give a key identifier and an HMAC key.";
    demand(!state.settings.requireEab, detail, "externalAccountRequired");
    return undefined;
  }
  demand(isRecord(binding), "externalAccountBinding is not a JWS.");
  const jws = readJws(binding);
  checkHeader(jws, request.url);
  checkMac(state, jws);
  const { thumbprint } = readJwk(parseObject(jws.payload, "The binding's payload"));
  const same = thumbprint === request.key.thumbprint;
  demand(same, "The binding's payload is not the account key that signed the request.");
  return binding;
}

const hashes: Readonly<Record<string, string>> = {
  HS256: "sha256",
  HS384: "sha384",
  HS512: "sha512",
};

function checkHeader(jws: Jws, url: string): void {
  const { alg, nonce, url: signedUrl, jwk } = jws.header;
  demand(typeof alg === "string" && alg in hashes, "The binding is not signed by a MAC (HS256).");
  demand(nonce === undefined, "The binding must not have a nonce.");
  demand(jwk === undefined, "The binding must not have a jwk.");
  demand(signedUrl === url, "The binding's url is not that of the request.");
}

function checkMac(state: State, jws: Jws): void {
  const { kid, alg } = jws.header;
  demand(typeof kid === "string", "The binding has no kid.");
  const secret = Object.hasOwn(state.settings.eab, kid) ? state.settings.eab[kid] : undefined;
  demand(secret !== undefined, `The key identifier "${kid}" is unknown.`, "unauthorized");
  const mac = createHmac(hashes[String(alg)] ?? "sha256", Buffer.from(secret, "base64url"))
    .update(jws.signed)
    .digest();
  const isGood = mac.length === jws.signature.length && timingSafeEqual(mac, jws.signature);
  demand(isGood, `The MAC does not verify with the key of "${kid}".`, "unauthorized");
}
