import crypto, {
  createHash,
  createPrivateKey as parsePrivateKey,
  createPublicKey,
  type KeyObject,
} from "node:crypto";
import { promisify } from "node:util";
import type { KeyType } from "../certificate.ts";
import { Problem } from "../problem.ts";
import { withLineBreaks } from "./pem.ts";

const curves: Readonly<Record<string, KeyType>> = { prime256v1: "ec256", secp384r1: "ec384" };
const moduli: Readonly<Record<number, KeyType>> = {
  2048: "rsa2048",
  3072: "rsa3072",
  4096: "rsa4096",
};

/** A new private key, PKCS#8 PEM. Generated off the main thread. */
export async function createPrivateKey(type: KeyType): Promise<string> {
  // Not imported by name: that would load OpenSSL in every run.
  const generate = promisify(crypto.generateKeyPair);
  const { privateKey } = type.startsWith("ec")
    ? await generate("ec", { namedCurve: type === "ec256" ? "P-256" : "P-384" })
    : await generate("rsa", { modulusLength: Number(type.slice("rsa".length)) });
  return toPem(privateKey);
}

/** A new account key: ES256, which every CA accepts. */
export function createAccountKey(): Promise<string> {
  return createPrivateKey("ec256");
}

/** A key as others write it (PKCS#8, SEC1, PKCS#1), as PKCS#8 PEM, with its type. `source` names it in messages. */
export function readPrivateKey(
  pem: string,
  source = "the private key",
): { pem: string; type: KeyType } {
  let key: KeyObject;
  try {
    key = parsePrivateKey(withLineBreaks(pem));
  } catch (cause) {
    throw new Problem("config", {
      detail: `${source} cannot be read as a private key.`,
      hint: /ENCRYPTED/.test(pem)
        ? "Remove the passphrase: openssl pkey -in KEY -out PLAIN"
        : "Give a key in PEM form: -----BEGIN PRIVATE KEY-----, EC PRIVATE KEY or RSA PRIVATE KEY.",
      cause,
    });
  }
  const type = keyTypeOf(key);
  if (type === undefined) throw unsuitable(source);
  return { pem: toPem(key), type };
}

/** The key type; undefined for keys that public CAs reject (other curves and sizes, Ed25519). */
export function keyTypeOf(key: KeyObject): KeyType | undefined {
  const { namedCurve = "", modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ec") return curves[namedCurve];
  return key.asymmetricKeyType === "rsa" ? moduli[modulusLength] : undefined;
}

/** The public half of a private key, SPKI in DER. */
export function publicHalf(privateKey: string): Buffer {
  return createPublicKey(parsePrivateKey(privateKey)).export({ type: "spki", format: "der" });
}

/** A public key (SPKI in DER); undefined if Node.js does not know its algorithm. */
export function readPublicKey(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}

/** True if both (SPKI in DER) are one key, also of an algorithm that Node.js does not know. */
export function isSameKey(one: Uint8Array, other: Uint8Array): boolean {
  if (Buffer.compare(one, other) === 0) return true;
  const [read, otherRead] = [readPublicKey(one), readPublicKey(other)];
  return read !== undefined && otherRead !== undefined && read.equals(otherRead);
}

export function unsuitable(source: string): Problem {
  return new Problem("config", {
    detail: `${source} has a type or size that CAs do not accept.`,
    hint: "Use P-256, P-384, or RSA with 2048, 3072 or 4096 bits.",
  });
}

/** RFC 7638 thumbprint of a public key, or of the public half of a PEM key, base64url. */
export function thumbprint(key: string | KeyObject): string {
  const publicKey = typeof key === "string" ? createPublicKey(key) : key;
  const { kty, crv, x, y, n, e } = publicKey.export({ format: "jwk" });
  // RFC 7638 §3.2: the required members only, in the order of their names.
  const members = kty === "RSA" ? { e, kty, n } : { crv, kty, x, y };
  return createHash("sha256").update(JSON.stringify(members)).digest("base64url");
}

function toPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}
