import { type KeyObject } from "node:crypto";
/** A public key as RFC 7517 writes it, reduced to the members that RFC 7638 hashes. */
export type Jwk =
  | {
      readonly kty: "EC";
      readonly crv: string;
      readonly x: string;
      readonly y: string;
    }
  | {
      readonly kty: "RSA";
      readonly n: string;
      readonly e: string;
    };
/** Reads an account key and refuses private, weak and unknown ones. */
export declare function readJwk(value: unknown): {
  jwk: Jwk;
  key: KeyObject;
  thumbprint: string;
};
/** Throws badPublicKey for a key that no CA signs or accepts. */
export declare function refuseWeak(key: KeyObject): void;
