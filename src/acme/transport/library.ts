/**
 * The only file that imports acme-client. It does JWS signing and the retries after `badNonce`; its own HTTP code is
 * never used.
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import type HttpClient from "acme-client/src/http.js";
import type { ExternalAccountBinding } from "../acme.ts";
import { signBinding } from "../registration.ts";
import type { Answer } from "./transport.ts";

/** One request to sign (RFC 8555 §6.2). */
export interface SignedRequest {
  readonly url: string;
  /** PKCS#8 PEM. */
  readonly key: string;
  /** The account URL; absent where the key itself is sent (`jwk`). */
  readonly kid: string | undefined;
  /** `null` is POST-as-GET (RFC 8555 §6.3). */
  readonly payload: object | null;
  readonly eab?: ExternalAccountBinding | undefined;
}

/** How the library reaches the CA. Both members belong to one `Ca`. */
export interface Outlet {
  nonce(): Promise<string>;
  /** Rejects with a Problem for every error answer but `badNonce`. */
  post(url: string, body: string): Promise<Answer>;
}

/** Sign and send. A refused nonce is answered with the one that came with the refusal (RFC 8555 §6.5). */
export async function sendSigned(request: SignedRequest, outlet: Outlet): Promise<Answer> {
  const http = await signer(request.key);
  let last: Answer | undefined;
  http.getNonce = () => outlet.nonce();
  http.request = async (url, _method, options) => {
    last = await outlet.post(url, JSON.stringify(options?.data));
    return { status: last.status, headers: { ...last.headers }, data: last.body };
  };
  const { url, payload, eab } = request;
  const binding =
    eab === undefined ? {} : { externalAccountBinding: signBinding(eab, http.getJwk(), url) };
  const content = payload === null ? null : { ...payload, ...binding };
  await http.signedRequest(url, content, { kid: request.kid ?? null });
  if (last === undefined) throw new Error("acme-client answered without sending");
  return last;
}

/** The inner JWS of a key change (RFC 8555 §7.3.5): the old key and the account, signed by the new key. */
export async function signKeyChange(
  url: string,
  account: string,
  oldKey: string,
  newKey: string,
): Promise<object> {
  const [previous, next] = [await signer(oldKey), await signer(newKey)];
  return next.createSignedBody(url, { account, oldKey: previous.getJwk() });
}

/** With a CA that rejects every second nonce, a request fails with a chance of 2^-30. */
const badNonceRetries = 30;

async function signer(key: string): Promise<HttpClient> {
  const { default: Library } = await load();
  const http = new Library("", parsed(key));
  http.maxBadNonceRetries = badNonceRetries;
  return http;
}

/** Parsing a key takes as long as signing with it, and a run has few. */
const known = new Map<string, KeyObject>();

function parsed(pem: string): KeyObject {
  const key = known.get(pem) ?? createPrivateKey(pem);
  known.set(pem, key);
  return key;
}

let loaded: Promise<typeof import("acme-client/src/http.js")> | undefined;

function load(): Promise<typeof import("acme-client/src/http.js")> {
  loaded ??= (async () => {
    // The library prints nonces to stderr when DEBUG is set. Its modules take `log` when they are loaded.
    const { default: logger } = await import("acme-client/src/logger.js");
    logger.log = () => {};
    return import("acme-client/src/http.js");
  })();
  return loaded;
}
