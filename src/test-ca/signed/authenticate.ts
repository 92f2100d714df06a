import { accountUrl, deactivated } from "../resources/accounts.ts";
import { AcmeProblem, demand } from "../acme-problem.ts";
import type { SignedRequest } from "./handler.ts";
import { readJwk } from "./jwk.ts";
import { parseJws, verifyJws, type Jws } from "./jws.ts";
import type { Route } from "../server/routes.ts";
import type { Account, State } from "../state.ts";

/** A POST as it arrived. */
export interface Post {
  readonly url: string;
  readonly contentType: string | undefined;
  readonly body: string;
  readonly ids: readonly string[];
}

/** Checks what RFC 8555 §6.2 to §6.5 ask of every POST: media type, JWS, key, signature, url and nonce. */
export function authenticate(
  state: State,
  post: Post,
  signedBy: NonNullable<Route["post"]>["signedBy"],
): SignedRequest {
  if (post.contentType !== "application/jose+json") {
    const detail = `The content type is ${post.contentType ?? "absent"}, not application/jose+json.`;
    throw new AcmeProblem("malformed", detail, { status: 415 });
  }
  const jws = parseJws(post.body);
  const who = identify(state, jws, signedBy);
  verifyJws(jws, who.key.key);
  const { url } = jws.header;
  if (url !== post.url) {
    const detail = `The JWS is for the url ${JSON.stringify(url)}, the request for ${post.url}.`;
    throw new AcmeProblem("unauthorized", detail);
  }
  redeem(state, jws);
  if (who.account?.status === "deactivated") throw deactivated();
  return { url: post.url, ids: post.ids, jws, ...who };
}

function identify(
  state: State,
  jws: Jws,
  signedBy: NonNullable<Route["post"]>["signedBy"],
): Pick<SignedRequest, "account" | "key"> {
  const { jwk, kid } = jws.header;
  demand(jwk === undefined || kid === undefined, "The JWS has both jwk and kid.");
  demand(jwk !== undefined || kid !== undefined, "The JWS has neither jwk nor kid.");
  if (kid === undefined) {
    demand(signedBy !== "kid", "This resource needs a kid, not a jwk.");
    return { account: undefined, key: readJwk(jwk) };
  }
  demand(signedBy !== "jwk", "This resource needs a jwk, not a kid.");
  const account = accountOf(state, kid);
  const { jwk: known, key, thumbprint } = account;
  return { account, key: { jwk: known, key, thumbprint } };
}

function accountOf(state: State, kid: unknown): Account {
  demand(typeof kid === "string", "The kid is not a string.");
  const account = state.accounts.get(kid.split("/").at(-1) ?? "");
  if (account !== undefined && accountUrl(state, account) === kid) return account;
  throw new AcmeProblem("accountDoesNotExist", `There is no account ${kid}.`);
}

function redeem(state: State, jws: Jws): void {
  const { nonce } = jws.header;
  if (typeof nonce === "string" && state.nonces.redeem(nonce)) return;
  const detail =
    nonce === undefined ? "The JWS has no nonce." : "The nonce is not (or no longer) good.";
  throw new AcmeProblem("badNonce", detail);
}
