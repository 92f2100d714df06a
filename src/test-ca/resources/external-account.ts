import { createHmac, timingSafeEqual } from "node:crypto";
import { demand } from "../acme-problem.ts";
import type { SignedRequest } from "../signed/request.ts";
import { isRecord } from "../../json.ts";
import { parseObject, readJwk, readJws, type Jws } from "../signed/jws.ts";
import type { State } from "../state.ts";

/** Verifies an external account binding (RFC 8555 §7.3.4) and returns it, to be shown in the account object. */
export function checkExternalBinding(
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
