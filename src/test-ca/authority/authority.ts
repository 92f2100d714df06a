import * as x509 from "@peculiar/x509";
import { type KeyObject, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
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
  /** The public key. */
  readonly key: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Signature and key algorithm of all keys of this CA. */
export const p256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

const year = 365 * 24 * 3_600_000;

/** Makes new roots and an issuing key, all P-256, valid for 20 years. */
export async function createAuthority(now: Date): Promise<Authority> {
  const tag = randomBytes(3).toString("hex");
  const root = await createRoot(`acmectl test root ${tag}`, now);
  const alternateRoot = await createRoot(`acmectl test alternate root ${tag}`, now);
  const keys = await generateKeys();
  const name = `CN=acmectl test issuing CA ${tag}, O=acmectl test CA`;
  const certificate = await signIntermediate(name, keys.publicKey, root, now);
  const alternateIssuing = await signIntermediate(name, keys.publicKey, alternateRoot, now);
  return { root, issuing: { certificate, key: keys.privateKey }, alternateRoot, alternateIssuing };
}

/** Signs a leaf for servers: names in the subjectAltName alone, as the CA/Browser Forum asks. */
export async function issueLeaf(
  authority: Authority,
  request: LeafRequest,
): Promise<x509.X509Certificate> {
  const { identifiers, key, notBefore, notAfter } = request;
  const usage = key.asymmetricKeyType === "rsa" ? keyUsages.rsaLeaf : keyUsages.ecLeaf;
  const publicKey = new x509.PublicKey(new Uint8Array(key.export({ format: "der", type: "spki" })));
  const issuer = authority.issuing;
  return x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: "",
    issuer: issuer.certificate.subjectName,
    notBefore,
    notAfter,
    publicKey,
    signingKey: issuer.key,
    signingAlgorithm: p256,
    extensions: [
      keyUsage(usage),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.BasicConstraintsExtension(false, undefined, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey),
      new x509.CertificatePolicyExtension(["2.23.140.1.2.1"]),
      new x509.SubjectAlternativeNameExtension(identifiers.map(nameOf), true),
    ],
  });
}

/** The default chain and the alternate one: the leaf and its issuing certificate, without the root. */
export function chainsOf(authority: Authority, leaf: x509.X509Certificate): readonly string[] {
  return [authority.issuing.certificate, authority.alternateIssuing].map(
    (issuing) => `${leaf.toString("pem")}\n${issuing.toString("pem")}\n`,
  );
}

/** RFC 9773 §4.1: key identifier and the serial's DER content, with its leading zero. */
export function renewalIdOf(leaf: x509.X509Certificate): string {
  const keyId = leaf.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId ?? "";
  const serial = leaf.serialNumber.replace(/^(?=[89a-f])/, "00");
  const encoded = [keyId, serial].map((hex) => Buffer.from(hex, "hex").toString("base64url"));
  return encoded.join(".");
}

/** A key pair for the CA's own use. */
export async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(p256, true, ["sign", "verify"]);
}

/** An identifier for a host name or an IP address. */
export function identifierOf(host: string): Identifier {
  return { type: isIP(host) === 0 ? "dns" : "ip", value: host };
}

async function createRoot(commonName: string, now: Date): Promise<CaPair> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: `CN=${commonName}, O=acmectl test CA`,
    ...lifetime(now, 20),
    keys,
    signingAlgorithm: p256,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      keyUsage(keyUsages.root),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, key: keys.privateKey };
}

/** BIT STRINGs of RFC 5280 §4.2.1.3: unused bits, then digitalSignature 80, keyEncipherment 20, keyCertSign 04, cRLSign 02. */
const keyUsages = {
  ecLeaf: [0x07, 0x80],
  rsaLeaf: [0x05, 0xa0],
  root: [0x01, 0x06],
  intermediate: [0x01, 0x86],
} as const;

function keyUsage(bits: readonly [number, number]): x509.Extension {
  return new x509.Extension("2.5.29.15", true, new Uint8Array([0x03, 0x02, ...bits]));
}

async function signIntermediate(
  subject: string,
  publicKey: webcrypto.CryptoKey,
  root: CaPair,
  now: Date,
): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject,
    issuer: root.certificate.subjectName,
    ...lifetime(now, 20),
    publicKey,
    signingKey: root.key,
    signingAlgorithm: p256,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      keyUsage(keyUsages.intermediate),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(root.certificate.publicKey),
    ],
  });
}

/** From a year ago on both clocks: TLS is checked on this machine's, whatever the CA's shows. */
export function lifetime(now: Date, years: number): { notBefore: Date; notAfter: Date } {
  const [first, last] = [now.getTime(), Date.now()].toSorted((a, b) => a - b);
  return {
    notBefore: new Date((first ?? 0) - year),
    notAfter: new Date((last ?? 0) + years * year),
  };
}

/** 16 random bytes; half of them have the high bit, which DER spells with a leading zero. */
function randomSerial(): string {
  return randomBytes(16).toString("hex");
}

function nameOf({ type, value }: Identifier): x509.JsonGeneralName {
  return { type: type === "ip" ? "ip" : "dns", value };
}
