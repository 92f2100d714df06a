/** What Node's X509Certificate does not offer. */
import type { X509Certificate } from "node:crypto";
import type { Identifier } from "../../plugin.ts";
import { canonicalIdentifier } from "../identifiers.ts";
import { printable } from "../text.ts";
import {
  addressOf,
  dottedOf,
  type Element,
  elementsOf,
  fieldOf,
  plainFieldOf,
  tags,
} from "./der.ts";

/** The DNS names and IP addresses among the subject alternative names, in canonical form. */
export function identifiersOf(certificate: X509Certificate): Identifier[] {
  return extensionOf(certificate, "2.5.29.17").flatMap((name) => identifierIn(name) ?? []);
}

/** The other subject alternative names, e.g. `email a@example.com`. */
export function otherNamesOf(certificate: X509Certificate): string[] {
  return extensionOf(certificate, "2.5.29.17").flatMap((name) =>
    identifierIn(name) === undefined ? [textOf(name)] : [],
  );
}

function identifierIn({ tag, content }: Element): Identifier | undefined {
  if (tag === plainFieldOf(2))
    return canonicalIdentifier({ type: "dns", value: content.toString("latin1") });
  const address = tag === plainFieldOf(7) ? addressOf(content) : undefined;
  return address === undefined ? undefined : canonicalIdentifier({ type: "ip", value: address });
}

/** The kinds of a name that are text (RFC 5280 §4.2.1.6), by the number of their field. */
const textNames: Readonly<Record<number, string>> = { 1: "email", 2: "dns", 6: "url" };

function textOf({ tag, content }: Element): string {
  const kind = textNames[tag & 0x1f];
  if (kind === undefined) return `name of another kind ${content.toString("hex").slice(0, 200)}`;
  return `${kind} ${printable(content.toString("latin1"), 200)}`;
}

/** The elements of an extension's value, which is a sequence; none where the certificate does not have it. */
function extensionOf(certificate: X509Certificate, dotted: string): readonly Element[] {
  const field = signedOf(certificate).find(({ tag }) => tag === fieldOf(3));
  const all = inside(inside(field)[0]).map(inside);
  const value = all.find(([name]) => name !== undefined && dottedOf(name) === dotted)?.at(-1);
  return inside(inside(value)[0]);
}

/** The elements that the signature covers: version, serial number, algorithm, issuer, … (RFC 5280 §4.1). */
function signedOf(certificate: X509Certificate): readonly Element[] {
  return inside(inside(elementsOf(certificate.raw)[0])[0]);
}

/** The same without the version, which is not in every certificate: serial number, algorithm, issuer, dates, subject, key. */
function fieldsOf(certificate: X509Certificate): readonly Element[] {
  return signedOf(certificate).filter(({ tag }) => tag !== fieldOf(0));
}

function inside(element: Element | undefined): readonly Element[] {
  return element === undefined ? [] : elementsOf(element.content);
}

/** The public key as it is written (SPKI, DER), also of an algorithm that Node.js does not know. */
export function publicKeyOf(certificate: X509Certificate): Buffer {
  return fieldsOf(certificate)[5]?.bytes ?? Buffer.alloc(0);
}

/** The object identifier of the signature's algorithm if it is unknown here. */
export function unknownSignatureOf(certificate: X509Certificate): string | undefined {
  const algorithm = inside(inside(elementsOf(certificate.raw)[0])[1])[0];
  const dotted = algorithm === undefined ? "" : dottedOf(algorithm);
  return knownSignatures.test(dotted) ? undefined : dotted;
}

/** RSA, ECDSA, Ed25519 and Ed448. */
const knownSignatures =
  /^1\.2\.840\.(113549\.1\.1\.([2-5]|1[0-4])|10045\.4\.(1|3\.[1-4]))$|^1\.3\.101\.11[23]$/;

/** True when basic constraints say CA. */
export function isAuthority(certificate: X509Certificate): boolean {
  const [first] = extensionOf(certificate, "2.5.29.19");
  return first?.tag === tags.boolean && first.content[0] !== 0;
}

/** True when the certificate demands OCSP stapling: TLS feature 5, status_request (RFC 7633). */
export function mustStaple(certificate: X509Certificate): boolean {
  const features = extensionOf(certificate, "1.3.6.1.5.5.7.1.24");
  return features.some(({ content }) => content.length === 1 && content[0] === 5);
}

/** The serial number's DER content bytes in hexadecimal: a 00 leads where the first bit is set. */
export function serialOf(certificate: X509Certificate): string {
  // Node.js leaves out the 00, and writes a minus before one that is negative.
  return fieldsOf(certificate)[0]?.content.toString("hex") ?? "";
}

/** RFC 9773 §4.1: base64url of the authority key identifier, a dot, base64url of the serial number. */
export function certificateId(certificate: X509Certificate): string | undefined {
  const elements = extensionOf(certificate, "2.5.29.35");
  const keyId = elements.find(({ tag }) => tag === plainFieldOf(0))?.content;
  if (keyId === undefined || keyId.length === 0) return undefined;
  return [keyId, Buffer.from(serialOf(certificate), "hex")]
    .map((bytes) => bytes.toString("base64url"))
    .join(".");
}
