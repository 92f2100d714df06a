import { createHash, createPublicKey, verify, type KeyObject } from "node:crypto";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { isRecord, parseJson } from "../../json.ts";

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
  const alg = String(jws.header["alg"]);
  const type = "badSignatureAlgorithm";
  const detail = algorithms.includes(alg)
    ? `The JWS algorithm ${alg} does not belong to a key of this type.`
    : `The JWS algorithm ${alg} is not accepted.`;
  demand(alg === algorithmOf(key), detail, type, { algorithms });
  const hash = alg === "ES384" ? "sha384" : "sha256";
  const signer = { key, dsaEncoding: "ieee-p1363" } as const;
  const good = verify(hash, Buffer.from(jws.signed), signer, jws.signature);
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
  const value = parseJson(text);
  demand(isRecord(value), `${what} is not a JSON object.`);
  return value;
}

/** Reads an account key and refuses private, weak and unknown ones. */
export function readJwk(value: unknown): { key: KeyObject; thumbprint: string } {
  demand(isRecord(value), "The jwk is not an object.");
  for (const secret of ["d", "p", "q", "dp", "dq", "qi", "k"])
    demand(!(secret in value), `The jwk has the private member "${secret}".`);
  const jwk = reduce(value);
  const key = importKey(jwk);
  refuseWeak(key);
  const thumbprint = createHash("sha256").update(JSON.stringify(jwk)).digest("base64url");
  return { key, thumbprint };
}

type Jwk = Readonly<Record<string, string>>;

/** Throws badPublicKey for a key that no CA signs or accepts. */
export function refuseWeak({
  asymmetricKeyType: type,
  asymmetricKeyDetails = {},
}: KeyObject): void {
  const { namedCurve, modulusLength: bits = 0, publicExponent } = asymmetricKeyDetails;
  if (type === "ec") {
    if (namedCurve === "prime256v1" || namedCurve === "secp384r1") return;
    throw badKey(`The curve ${String(namedCurve)} is not accepted; P-256 and P-384 are.`);
  }
  if (type !== "rsa") throw badKey(`Keys of type ${String(type)} are not accepted.`);
  if (bits < 2048 || bits > 4096 || bits % 8 !== 0)
    throw badKey(`RSA keys of ${bits} bits are not accepted; 2048 to 4096 are.`);
  if (publicExponent !== 65_537n) throw badKey("The RSA exponent is not 65537.");
}

/** The members that RFC 7638 hashes, in the order of their names. */
function reduce(value: Record<string, unknown>): Jwk {
  const { kty, crv, x, y, n, e } = value;
  if (kty === "EC" && typeof crv === "string") {
    demand(isBase64url(x) && isBase64url(y), "x and y of the jwk must be base64url.");
    return { crv, kty, x, y };
  }
  if (kty === "RSA") {
    demand(isBase64url(n) && isBase64url(e), "n and e of the jwk must be base64url.");
    return { e, kty, n };
  }
  throw badKey(`Keys of type ${String(kty)} are not accepted; EC and RSA are.`);
}

function importKey(jwk: Jwk): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch {
    throw badKey("The jwk is not a valid public key.");
  }
}

function badKey(detail: string): AcmeProblem {
  return new AcmeProblem("badPublicKey", detail);
}
