import type { KeyObject } from "node:crypto";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { accountUrl, type Account, type State } from "../state.ts";
import { parseJws, parseObject, readJwk, verifyJws, type Jws } from "./jws.ts";

export interface Post {
  readonly url: string;
  readonly contentType: string | undefined;
  readonly body: string;
  /** What the route's pattern captured. */
  readonly ids: readonly string[];
}

/** How the key of a POST is given: as `jwk`, by the account's `kid`, or either. */
export type SignedBy = "jwk" | "kid" | "either";

/** A POST whose signature, nonce and url were checked. */
export interface SignedRequest extends Pick<Post, "url" | "ids"> {
  readonly jws: Jws;
  readonly key: { readonly key: KeyObject; readonly thumbprint: string };
  /** Absent when the request was signed by a key of its own (`jwk`). */
  readonly account: Account | undefined;
}

/** Checks what RFC 8555 §6.2 to §6.5 ask of every POST: media type, JWS, key, signature, url and nonce. */
export function authenticate(
  state: State,
  { url, contentType = "absent", body, ids }: Post,
  signedBy: SignedBy,
): SignedRequest {
  const isJose = contentType === "application/jose+json";
  const detail = `The content type is ${contentType}, not application/jose+json.`;
  demand(isJose, detail, "malformed", { status: 415 });
  const jws = parseJws(body);
  const { key, account } = identify(state, jws, signedBy);
  verifyJws(jws, key.key);
  const signed = JSON.stringify(jws.header["url"]);
  const mismatch = `The JWS is for the url ${signed}, the request for ${url}.`;
  demand(signed === JSON.stringify(url), mismatch, "unauthorized");
  const { nonce } = jws.header;
  demand(nonce !== undefined, "The JWS has no nonce.", "badNonce");
  const isGood = typeof nonce === "string" && state.nonces.redeem(nonce);
  demand(isGood, "The nonce is not valid, or not any more.", "badNonce");
  if (account?.status === "deactivated") throw deactivated();
  return { url, ids, jws, key, account };
}

function identify(
  state: State,
  jws: Jws,
  signedBy: SignedBy,
): Pick<SignedRequest, "account" | "key"> {
  const { jwk, kid } = jws.header;
  demand(jwk === undefined || kid === undefined, "The JWS has both jwk and kid.");
  demand(jwk !== undefined || kid !== undefined, "The JWS has neither jwk nor kid.");
  if (kid === undefined) {
    demand(signedBy !== "kid", "This resource needs a kid, not a jwk.");
    return { account: undefined, key: readJwk(jwk) };
  }
  demand(signedBy !== "jwk", "This resource needs a jwk, not a kid.");
  demand(typeof kid === "string", "The kid is not a string.");
  const account = state.accounts.get(kid.split("/").at(-1) ?? "");
  if (account !== undefined && accountUrl(state, account) === kid) return { account, key: account };
  throw new AcmeProblem("accountDoesNotExist", `There is no account ${kid}.`);
}

/** §7.3.6: status 401, type unauthorized. */
export function deactivated(): AcmeProblem {
  return new AcmeProblem("unauthorized", "The account is deactivated.", { status: 401 });
}

export function signer({ account }: SignedRequest): Account {
  demand(account !== undefined, "A kid is needed here.");
  return account;
}

/** Refuses anything but POST-as-GET (RFC 8555 §6.3). */
export function demandPostAsGet(request: SignedRequest): void {
  demand(request.jws.payload === "", "POST-as-GET requests must have an empty payload.");
}

export function payloadOf(request: SignedRequest): Record<string, unknown> {
  return parseObject(request.jws.payload, "The payload");
}

/** Finds what an id names and refuses to show it to other accounts. */
export function own<T extends { readonly account: Account }>(
  things: ReadonlyMap<string, T>,
  request: SignedRequest,
  what: string,
): T {
  const thing = things.get(request.ids[0] ?? "");
  demand(thing !== undefined, `There is no such ${what}.`, "malformed", { status: 404 });
  const isOwn = thing.account === signer(request);
  demand(isOwn, `This ${what} belongs to another account.`, "unauthorized");
  return thing;
}
