import {
  createHash,
  createPublicKey,
  type AsymmetricKeyDetails,
  type KeyObject,
} from "node:crypto";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { isRecord } from "../../json.ts";
import { isBase64url } from "./jws.ts";

/** A public key as RFC 7517 writes it, reduced to the members that RFC 7638 hashes. */
export type Jwk =
  | { readonly kty: "EC"; readonly crv: string; readonly x: string; readonly y: string }
  | { readonly kty: "RSA"; readonly n: string; readonly e: string };

/** Reads an account key and refuses private, weak and unknown ones. */
export function readJwk(value: unknown): { jwk: Jwk; key: KeyObject; thumbprint: string } {
  demand(isRecord(value), "The jwk is not an object.");
  for (const secret of ["d", "p", "q", "dp", "dq", "qi", "k"]) {
    demand(!(secret in value), `The jwk has the private member "${secret}".`);
  }
  const jwk = reduce(value);
  const key = importKey(jwk);
  refuseWeak(key);
  return { jwk, key, thumbprint: thumbprintOf(jwk) };
}

/** RFC 7638, base64url SHA-256. */
function thumbprintOf(jwk: Jwk): string {
  const canonical =
    jwk.kty === "EC"
      ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }
      : { e: jwk.e, kty: jwk.kty, n: jwk.n };
  return createHash("sha256").update(JSON.stringify(canonical)).digest("base64url");
}

/** Throws badPublicKey for a key that no CA signs or accepts. */
export function refuseWeak(key: KeyObject): void {
  const type = key.asymmetricKeyType;
  if (type === "ec") refuseCurve(key.asymmetricKeyDetails);
  else if (type === "rsa") refuseRsa(key.asymmetricKeyDetails);
  else throw badKey(`Keys of type ${String(type)} are not accepted.`);
}

function refuseCurve(details: AsymmetricKeyDetails = {}): void {
  const { namedCurve } = details;
  if (namedCurve === "prime256v1" || namedCurve === "secp384r1") return;
  throw badKey(`The curve ${String(namedCurve)} is not accepted; P-256 and P-384 are.`);
}

function refuseRsa({ modulusLength = 0, publicExponent }: AsymmetricKeyDetails = {}): void {
  const usual = modulusLength >= 2048 && modulusLength <= 4096 && modulusLength % 8 === 0;
  if (!usual) throw badKey(`RSA keys of ${modulusLength} bits are not accepted; 2048 to 4096 are.`);
  if (publicExponent !== 65_537n) throw badKey("The RSA exponent is not 65537.");
}

function reduce(value: Record<string, unknown>): Jwk {
  const { kty, crv, x, y, n, e } = value;
  if (kty === "EC" && typeof crv === "string") {
    demand(isBase64url(x) && isBase64url(y), "x and y of the jwk must be base64url.");
    return { kty, crv, x, y };
  }
  if (kty === "RSA") {
    demand(isBase64url(n) && isBase64url(e), "n and e of the jwk must be base64url.");
    return { kty, n, e };
  }
  throw badKey(`Keys of type ${String(kty)} are not accepted; EC and RSA are.`);
}

function importKey(jwk: Jwk): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: "jwk" });
  } catch {
    throw badKey("The jwk is not a valid public key.");
  }
}

function badKey(detail: string): AcmeProblem {
  return new AcmeProblem("badPublicKey", detail);
}
