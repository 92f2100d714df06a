import { verify, type KeyObject } from "node:crypto";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { isRecord } from "../../json.ts";

/** A flattened JWS (RFC 7515 §7.2.2), decoded but not yet verified. */
export interface Jws {
  readonly header: Record<string, unknown>;
  /** Decoded; "" for POST-as-GET. */
  readonly payload: string;
  readonly signed: string;
  readonly signature: Buffer;
}

const algorithms = ["ES256", "ES384", "RS256"];

/** Parses what RFC 8555 §6.2 allows and refuses every other serialization. */
export function parseJws(text: string): Jws {
  return readJws(parseObject(text, "The request body"));
}

/** The same for a JWS that is inside of another one's payload. */
export function readJws(body: Record<string, unknown>): Jws {
  demand(!("signatures" in body), "Only the flattened JWS serialization is accepted.");
  for (const member of Object.keys(body)) {
    const known = ["protected", "payload", "signature"].includes(member);
    demand(known, `The JWS has the member "${member}", which is not allowed.`);
  }
  const { protected: head, payload, signature } = body;
  demand(isBase64url(head), "The protected header is not base64url without padding.");
  demand(isBase64url(signature), "The signature is not base64url without padding.");
  demand(payload === "" || isBase64url(payload), "The payload is not base64url without padding.");
  const header = parseObject(Buffer.from(head, "base64url").toString(), "The protected header");
  demand(!("crit" in header), "Critical header parameters are not understood.");
  demand(header["b64"] === undefined, "Unencoded payloads are not accepted.");
  return {
    header,
    payload: Buffer.from(payload, "base64url").toString(),
    signed: `${head}.${payload}`,
    signature: Buffer.from(signature, "base64url"),
  };
}

/** Throws unless the key made the signature with the algorithm that its type asks for. */
export function verifyJws(jws: Jws, key: KeyObject): void {
  const alg = jws.header["alg"];
  if (typeof alg !== "string" || !algorithms.includes(alg)) {
    const detail = `The JWS algorithm ${String(alg)} is not accepted.`;
    throw new AcmeProblem("badSignatureAlgorithm", detail, { algorithms });
  }
  if (alg !== algorithmOf(key)) {
    const detail = `The JWS algorithm ${alg} does not belong to a key of this type.`;
    throw new AcmeProblem("badSignatureAlgorithm", detail, { algorithms });
  }
  const hash = alg === "ES384" ? "sha384" : "sha256";
  const good = verify(
    hash,
    Buffer.from(jws.signed),
    { key, dsaEncoding: "ieee-p1363" },
    jws.signature,
  );
  demand(good, "The JWS signature does not verify.");
}

function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === "rsa") return "RS256";
  return key.asymmetricKeyDetails?.namedCurve === "secp384r1" ? "ES384" : "ES256";
}

/** True for base64url without padding (RFC 8555 §6.1), the only form that a server may accept. */
export function isBase64url(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9_-]+$/.test(value) && value.length % 4 !== 1;
}

/** Parses a JSON object; refuses anything else as malformed, naming `what`. */
export function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  demand(isRecord(value), `${what} is not a JSON object.`);
  return value;
}
