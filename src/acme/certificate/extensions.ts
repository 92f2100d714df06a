/** What Node's X509Certificate does not offer. */
import type { X509Certificate } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509Certificate as Parsed,
} from "@peculiar/x509";
import type { Identifier } from "../../plugin.ts";
import { canonicalIdentifier } from "../identifiers.ts";

function parse(certificate: X509Certificate): Parsed {
  return new Parsed(Uint8Array.from(certificate.raw));
}

/** The subject alternative names in canonical form; undefined when one is neither a DNS name nor an IP address. */
export function identifiersOf(certificate: X509Certificate): Identifier[] | undefined {
  const names = parse(certificate).getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const identifiers = names.map(({ type, value }) =>
    type === "dns" || type === "ip" ? canonicalIdentifier({ type, value }) : undefined,
  );
  const known = identifiers.filter((identifier) => identifier !== undefined);
  return known.length === identifiers.length ? known : undefined;
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
