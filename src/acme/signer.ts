import { createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import type { KeyType } from "../certificate.ts";
import { keyTypeOf, unsuitable } from "./keys.ts";

/** What a private key does for acmectl. The key itself may be elsewhere: in a hardware module, or at a cloud's key service. */
export interface Signer {
  readonly type: KeyType;
  readonly publicKey: KeyObject;
  /**
   * Sign with the hash of the key type: SHA-384 for P-384, SHA-256 otherwise. RSA keys sign with PKCS#1 v1.5 padding, the
   * signature of an EC key is in DER (RFC 3279 §2.2.3).
   */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

const signing = promisify(sign);

/** Parsing a key takes as long as signing with it, and a run has few. */
const known = new Map<string, Signer>();

/** The signer of a private key in PEM form. */
export function signerOf(pem: string): Signer {
  const signer = known.get(pem) ?? parse(pem);
  known.set(pem, signer);
  return signer;
}

function parse(pem: string): Signer {
  const key = createPrivateKey(pem);
  const type = keyTypeOf(key);
  if (type === undefined) throw unsuitable("the private key");
  const hash = type === "ec384" ? "sha384" : "sha256";
  return { type, publicKey: createPublicKey(key), sign: (data) => signing(hash, data, key) };
}
