/**
 * The only file that imports acme-client. It writes the JWS and does the retries after `badNonce`; its own HTTP code is
 * never used.
 */
import type HttpClient from "acme-client/src/http.js";
import type { ExternalAccountBinding } from "../acme.ts";
import { elementsOf } from "../certificate/der.ts";
import { signBinding } from "../registration.ts";
import type { Signer } from "../signer.ts";
import type { Answer } from "./transport.ts";

/** One request to sign (RFC 8555 §6.2). */
export interface SignedRequest {
  readonly url: string;
  readonly key: Signer;
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
  const http = await signedBy(request.key);
  let last: Answer | undefined;
  http.getNonce = () => outlet.nonce();
  http.request = async (url, _method, options) => {
    last = await outlet.post(url, JSON.stringify(await options?.data));
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
  oldKey: Signer,
  newKey: Signer,
): Promise<object> {
  const http = await signedBy(newKey);
  return http.createSignedBody(url, { account, oldKey: jwkOf(oldKey) });
}

/** With a CA that rejects every second nonce, a request fails with a chance of 2^-30. */
const badNonceRetries = 30;

async function signedBy(key: Signer): Promise<HttpClient> {
  const { default: Library } = await load();
  const http = new Library("", key.publicKey);
  http.maxBadNonceRetries = badNonceRetries;
  http.getJwk = () => jwkOf(key);
  http.createSignedBody = async (url, payload, options) => {
    const body = http.prepareSignedBody(algorithmOf(key), url, payload, options);
    const signature = await key.sign(Buffer.from(`${body.protected}.${body.payload}`));
    return { ...body, signature: signatureOf(key, signature).toString("base64url") };
  };
  return http;
}

const jwkOf = ({ publicKey }: Signer) => publicKey.export({ format: "jwk" });

/** RFC 7518 §3.1. */
function algorithmOf({ type }: Signer): string {
  if (type === "ec256") return "ES256";
  return type === "ec384" ? "ES384" : "RS256";
}

/** RFC 7518 §3.4: both numbers of an ECDSA signature at the length of the curve, without DER around them. */
function signatureOf({ type }: Signer, signature: Uint8Array): Buffer {
  const bytes = Buffer.from(signature);
  if (!type.startsWith("ec")) return bytes;
  const [pair] = elementsOf(bytes);
  const length = type === "ec256" ? 32 : 48;
  const numbers = elementsOf(pair?.content ?? bytes).map(({ content }) =>
    Buffer.concat([Buffer.alloc(length), content]).subarray(-length),
  );
  return Buffer.concat(numbers);
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
