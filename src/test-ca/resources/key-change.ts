import { json, type Answer } from "../server/answer.ts";
import { accountJson, accountOfKey, accountUrl } from "./accounts.ts";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { payloadOf, signer, type SignedRequest } from "../signed/handler.ts";
import { isRecord } from "../../json.ts";
import { parseObject, readJws, verifyJws } from "../signed/jws.ts";
import { readJwk } from "../signed/jwk.ts";
import type { State } from "../state.ts";

/** keyChange (RFC 8555 §7.3.5): the outer JWS is signed by the old key, the inner one by the new. */
export function keyChange(state: State, request: SignedRequest): Answer {
  const account = signer(request);
  const inner = readJws(payloadOf(request));
  const { jwk, kid, nonce, url } = inner.header;
  demand(jwk !== undefined && kid === undefined, "The inner JWS must have a jwk and no kid.");
  demand(nonce === undefined, "The inner JWS must not have a nonce.");
  demand(url === request.url, "The inner JWS has not the url of the outer one.");
  const fresh = readJwk(jwk);
  verifyJws(inner, fresh.key);

  const change = parseObject(inner.payload, "The inner payload");
  demand(
    change["account"] === accountUrl(state, account),
    "The inner account is not the signer's.",
  );
  const { oldKey } = change;
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
