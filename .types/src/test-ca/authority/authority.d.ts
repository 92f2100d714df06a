import * as x509 from "@peculiar/x509";
import { webcrypto } from "node:crypto";
import type { Identifier } from "../acme-problem.ts";
/** A CA's certificate with its key. */
export interface CaPair {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}
/**
 * Two roots and one issuing key: its certificate is issued by the first root; the second root issued another one for the
 * alternate chain.
 */
export interface Authority {
  readonly root: CaPair;
  readonly issuing: CaPair;
  readonly alternateRoot: CaPair;
  readonly alternateIssuing: x509.X509Certificate;
}
/** The content of a new leaf certificate. */
export interface LeafRequest {
  readonly identifiers: readonly Identifier[];
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly keyType: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}
/** Signature and key algorithm of all keys of this CA. */
export declare const p256: {
  readonly name: "ECDSA";
  readonly namedCurve: "P-256";
  readonly hash: "SHA-256";
};
/** Makes new roots and an issuing key, all P-256, valid for 20 years. */
export declare function createAuthority(now: Date): Promise<Authority>;
/** Signs a leaf for servers: names in the subjectAltName alone, as the CA/Browser Forum asks. */
export declare function issueLeaf(
  authority: Authority,
  request: LeafRequest,
): Promise<x509.X509Certificate>;
/** The default chain and the alternate one: the leaf and its issuing certificate, without the root. */
export declare function chainsOf(
  authority: Authority,
  leaf: x509.X509Certificate,
): readonly string[];
/** RFC 9773 §4.1: key identifier and the serial's DER content, with its leading zero. */
export declare function renewalIdOf(leaf: x509.X509Certificate): string;
/** A key pair for the CA's own use. */
export declare function generateKeys(): Promise<webcrypto.CryptoKeyPair>;
/** An identifier for a host name or an IP address. */
export declare function identifierOf(host: string): Identifier;
