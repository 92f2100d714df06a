/** What Node's X509Certificate does not offer. */
import type { X509Certificate } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  type JsonGeneralName,
  SubjectAlternativeNameExtension,
  X509Certificate as Parsed,
} from "@peculiar/x509";
import type { Identifier } from "../../plugin.ts";
import { isRecord } from "../../json.ts";
import { canonicalIdentifier } from "../identifiers.ts";
import { printable } from "../text.ts";

function parse(certificate: X509Certificate): Parsed {
  return new Parsed(Uint8Array.from(certificate.raw));
}

/** The DNS names and IP addresses among the subject alternative names, in canonical form. */
export function identifiersOf(certificate: X509Certificate): Identifier[] {
  return alternativeNames(certificate).flatMap((name) => identifierIn(name) ?? []);
}

/** The other subject alternative names, e.g. `email a@example.com`. */
export function otherNamesOf(certificate: X509Certificate): string[] {
  return alternativeNames(certificate).flatMap((name) =>
    identifierIn(name) === undefined ? [`${name.type} ${printable(name.value, 200)}`] : [],
  );
}

function alternativeNames(certificate: X509Certificate) {
  return parse(certificate).getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
}

function identifierIn({ type, value }: JsonGeneralName): Identifier | undefined {
  return type === "dns" || type === "ip" ? canonicalIdentifier({ type, value }) : undefined;
}

/** The public key as it is written (SPKI, DER), also of an algorithm that Node.js does not know. */
export function publicKeyOf(certificate: X509Certificate): Buffer {
  return Buffer.from(parse(certificate).publicKey.rawData);
}

/** The object identifier of the signature's algorithm if it is unknown here. */
export function unknownSignatureOf(certificate: X509Certificate): string | undefined {
  // The library shows the bare number of what it does not know.
  const algorithm: unknown = parse(certificate).signatureAlgorithm;
  const name = isRecord(algorithm) ? algorithm["name"] : undefined;
  return typeof name === "string" && /^[\d.]+$/.test(name) ? name : undefined;
}

/** True when basic constraints say CA. */
export function isAuthority(certificate: X509Certificate): boolean {
  return parse(certificate).getExtension(BasicConstraintsExtension)?.ca ?? false;
}

/** The serial number's DER content bytes in hexadecimal: a 00 leads where the first bit is set. */
export function serialOf(certificate: X509Certificate): string {
  const digits = certificate.serialNumber.toLowerCase();
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  return Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even;
}

/** RFC 9773 §4.1: base64url of the authority key identifier, a dot, base64url of the serial number. */
export function certificateId(certificate: X509Certificate): string | undefined {
  const { keyId } = parse(certificate).getExtension(AuthorityKeyIdentifierExtension) ?? {};
  if (keyId === undefined || keyId === "") return undefined;
  return [keyId, serialOf(certificate)]
    .map((hex) => Buffer.from(hex, "hex").toString("base64url"))
    .join(".");
}
