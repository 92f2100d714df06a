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

export interface LeafRequest extends Lifetime {
  readonly identifiers: readonly Identifier[];
  readonly key: KeyObject;
}

interface Lifetime {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Signature and key algorithm of all keys of this CA. */
export const p256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

const { digitalSignature, keyEncipherment, keyCertSign, cRLSign } = x509.KeyUsageFlags;

/** Makes new roots and an issuing key, all P-256, valid for 20 years. */
export async function createAuthority(now: Date): Promise<Authority> {
  const tag = randomBytes(3).toString("hex");
  const valid = lifetime(now, 20);
  const root = await createRoot(`acmectl test root ${tag}`, valid);
  const alternateRoot = await createRoot(`acmectl test alternate root ${tag}`, valid);
  const { privateKey: key, publicKey } = await generateKeys();
  const subject = `CN=acmectl test issuing CA ${tag}, O=acmectl test CA`;
  const extensions = [
    new x509.BasicConstraintsExtension(true, 0, true),
    new x509.KeyUsagesExtension(digitalSignature | keyCertSign | cRLSign, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
  ];
  const intermediate = { subject, publicKey, extensions, ...valid };
  const certificate = await sign(intermediate, root);
  const alternateIssuing = await sign(intermediate, alternateRoot);
  return { root, issuing: { certificate, key }, alternateRoot, alternateIssuing };
}

/** Signs a leaf for servers: names in the subjectAltName alone, as the CA/Browser Forum asks. */
export async function issueLeaf(
  { issuing }: Authority,
  { identifiers, key, notBefore, notAfter }: LeafRequest,
): Promise<x509.X509Certificate> {
  const isRsa = key.asymmetricKeyType === "rsa";
  const names = identifiers.map(({ type, value }): x509.JsonGeneralName => {
    return { type: type === "ip" ? "ip" : "dns", value };
  });
  const extensions = [
    isRsa
      ? new x509.KeyUsagesExtension(digitalSignature | keyEncipherment, true)
      : new x509.KeyUsagesExtension(digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.CertificatePolicyExtension(["2.23.140.1.2.1"]),
    new x509.SubjectAlternativeNameExtension(names, true),
  ];
  const publicKey = new x509.PublicKey(new Uint8Array(key.export({ format: "der", type: "spki" })));
  return sign({ subject: "", publicKey, extensions, notBefore, notAfter }, issuing);
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

export async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(p256, true, ["sign", "verify"]);
}

export function identifierOf(host: string): Identifier {
  return { type: isIP(host) === 0 ? "dns" : "ip", value: host };
}

async function createRoot(commonName: string, valid: Lifetime): Promise<CaPair> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: `CN=${commonName}, O=acmectl test CA`,
    ...valid,
    keys,
    signingAlgorithm: p256,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, key: keys.privateKey };
}

interface Content extends Lifetime {
  readonly subject: string;
  readonly publicKey: x509.PublicKey | webcrypto.CryptoKey;
  readonly extensions: readonly x509.Extension[];
}

async function sign(
  { extensions, ...content }: Content,
  { certificate, key: signingKey }: CaPair,
): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.create({
    ...content,
    serialNumber: randomSerial(),
    issuer: certificate.subjectName,
    signingKey,
    signingAlgorithm: p256,
    extensions: [
      ...extensions,
      await x509.SubjectKeyIdentifierExtension.create(content.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(certificate.publicKey),
    ],
  });
}

const year = 365 * 24 * 3_600_000;

/** From a year ago on both clocks: TLS is checked on this machine's, whatever the CA's shows. */
export function lifetime(now: Date, years: number): Lifetime {
  const times = [now.getTime(), Date.now()];
  return {
    notBefore: new Date(Math.min(...times) - year),
    notAfter: new Date(Math.max(...times) + years * year),
  };
}

/** 16 random bytes; half of them have the high bit, which DER spells with a leading zero. */
function randomSerial(): string {
  return randomBytes(16).toString("hex");
}
