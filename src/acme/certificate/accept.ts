/** The checks that every downloaded certificate must pass before it is stored (RFC 8555 §7.4.2, §11.4). */
import type { X509Certificate } from "node:crypto";
import { dateOf } from "../../dates.ts";
import type { Identifier } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { DownloadedChain } from "../acme.ts";
import { valuesOf, without } from "../identifiers.ts";
import { isSameKey, readPublicKey } from "../keys.ts";
import { commonName, fingerprintOf, readChain } from "./chain.ts";
import {
  certificateId,
  identifiersOf,
  isAuthority,
  mustStaple,
  otherNamesOf,
  publicKeyOf,
  serialOf,
  unknownSignatureOf,
} from "./extensions.ts";

export interface Expected {
  /** SPKI in DER. */
  readonly publicKey: Uint8Array;
  readonly identifiers: readonly Identifier[];
  /** Now on the CA's clock. */
  readonly now: Date;
  /** How far `notBefore` may lie ahead, in milliseconds; five minutes when absent. */
  readonly tolerance?: number | undefined;
  /** The start that was asked for, in ISO 8601. */
  readonly start?: string | undefined;
  /** True if must-staple was asked for. */
  readonly stapling?: boolean | undefined;
}

export interface AcceptedCertificate {
  readonly url: string;
  /** PEM of the leaf. */
  readonly leaf: string;
  /** PEM of the intermediates, without the root; empty when the leaf came alone. */
  readonly chain: string;
  readonly identifiers: readonly Identifier[];
  /** Those of them that the CA added. */
  readonly added: readonly Identifier[];
  /** What is odd and does not prevent its use. */
  readonly warnings: readonly string[];
  /** Hexadecimal, two digits a byte, with the leading 00 where DER has it. */
  readonly serial: string;
  /** SHA-256 of the leaf's DER, lower-case hexadecimal. */
  readonly fingerprint: string;
  /** Common name of the leaf's issuer, or its whole name. */
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** RFC 9773 §4.1; absent when the leaf has no authority key identifier. */
  readonly ariId?: string | undefined;
}

/** Check a downloaded chain against what was asked for. A `protocol` Problem says exactly what is wrong. */
export function acceptCertificate(chain: DownloadedChain, expected: Expected): AcceptedCertificate {
  const certificates = readChain(chain);
  if (typeof certificates === "string") throw refused(chain, certificates);
  const [leaf, ...above] = certificates;
  if (leaf === undefined) throw refused(chain, "it is empty");
  const path = checkPath(certificates);
  const why = wrongLeaf(leaf, expected) ?? path.wrong;
  if (why !== undefined) throw refused(chain, why);
  const added = without(identifiersOf(leaf), expected.identifiers);
  return {
    url: chain.url,
    // Node.js encodes it again from the DER that was checked.
    leaf: leaf.toString(),
    chain: above.filter((certificate) => !isRoot(certificate)).join(""),
    identifiers: identifiersOf(leaf),
    added,
    warnings: [
      ...warningsOf(leaf, added),
      ...laterStart(leaf, expected),
      ...withoutStapling(leaf, expected),
      ...path.unverified,
    ],
    serial: serialOf(leaf),
    fingerprint: fingerprintOf(leaf),
    issuer: commonName(leaf.issuer),
    notBefore: new Date(leaf.validFrom),
    notAfter: new Date(leaf.validTo),
    ariId: certificateId(leaf),
  };
}

function wrongLeaf(leaf: X509Certificate, expected: Expected): string | undefined {
  if (!isSameKey(publicKeyOf(leaf), expected.publicKey)) return "it is for another key than ours";
  const lacking = without(expected.identifiers, identifiersOf(leaf));
  return (
    (lacking.length > 0 ? `it lacks ${valuesOf(lacking)}` : undefined) ??
    wrongDates(leaf, expected) ??
    (isAuthority(leaf) ? "it is a CA's certificate" : undefined) ??
    wrongPurpose(leaf)
  );
}

function warningsOf(leaf: X509Certificate, added: readonly Identifier[]): string[] {
  const others = otherNamesOf(leaf).join(", ");
  const names = [valuesOf(added), others].filter((text) => text !== "").join(", ");
  return names === "" ? [] : [`the CA added ${names} to the certificate, which was not ordered`];
}

/** It was asked for, and no client accepts the certificate before. */
function laterStart(leaf: X509Certificate, { now, tolerance = 300_000 }: Expected): string[] {
  const isLater = new Date(leaf.validFrom).getTime() > now.getTime() + tolerance;
  return isLater ? [`the certificate is valid only from ${dateOf(leaf.validFrom)}`] : [];
}

/** Not worth losing what was issued. */
function withoutStapling(leaf: X509Certificate, { stapling = false }: Expected): string[] {
  if (!stapling || mustStaple(leaf)) return [];
  return ["the CA left out must-staple, which was asked for"];
}

function wrongDates(
  leaf: X509Certificate,
  { now, tolerance = 300_000, start = "" }: Expected,
): string | undefined {
  const [from, to] = [new Date(leaf.validFrom).getTime(), new Date(leaf.validTo).getTime()];
  if (Number.isNaN(from) || Number.isNaN(to)) return "its validity cannot be read";
  const latest = Math.max(now.getTime(), Date.parse(start) || 0) + tolerance;
  if (from > latest) return `it is valid only from ${dateOf(leaf.validFrom)}`;
  return to <= now.getTime() ? `it expired at ${dateOf(leaf.validTo)}` : undefined;
}

const serverAuthentication = "1.3.6.1.5.5.7.3.1";

/** Without the extension every purpose is allowed (RFC 5280 §4.2.1.12). */
function wrongPurpose(leaf: X509Certificate): string | undefined {
  const purposes = leaf.keyUsage;
  if (purposes === undefined || purposes.includes(serverAuthentication)) return undefined;
  return "it is not for TLS servers (extended key usage)";
}

interface Path {
  readonly wrong?: string | undefined;
  /** Links that cannot be verified here. A newer algorithm of the CA must not cost the certificate. */
  readonly unverified: readonly string[];
}

function checkPath(certificates: readonly X509Certificate[]): Path {
  const unverified: string[] = [];
  const fingerprints = new Set(certificates.map(fingerprintOf));
  if (fingerprints.size !== certificates.length)
    return { wrong: "it has the same certificate twice", unverified };
  for (const [index, certificate] of certificates.entries()) {
    const issuer = certificates[index + 1];
    if (issuer === undefined) break;
    const place = `its certificate ${index + 1}`;
    const key = readPublicKey(publicKeyOf(issuer));
    if (key !== undefined && certificate.checkIssued(issuer) && certificate.verify(key)) {
      if (!issuer.ca) return { wrong: `the issuer of ${place} is not a CA`, unverified };
      continue;
    }
    const unknown = unknownSignatureOf(certificate);
    if (key !== undefined && unknown === undefined)
      return { wrong: wrongLink(certificate, issuer, place), unverified };
    const what =
      unknown === undefined ? "the key of its issuer" : `its signature algorithm (${unknown})`;
    unverified.push(`${place} was not verified: ${what} is not known to this Node.js`);
  }
  return { unverified };
}

function wrongLink(certificate: X509Certificate, issuer: X509Certificate, place: string): string {
  if (!certificate.checkIssued(issuer)) return `${place} is not issued by the next one`;
  return issuer.ca ? `the signature of ${place} is wrong` : `the issuer of ${place} is not a CA`;
}

function isRoot(certificate: X509Certificate): boolean {
  const key = readPublicKey(publicKeyOf(certificate));
  if (key === undefined) return certificate.subject === certificate.issuer;
  return certificate.checkIssued(certificate) && certificate.verify(key);
}

function refused({ url }: DownloadedChain, why: string): Problem {
  return new Problem("protocol", {
    title: "The CA sent a certificate that is not what was ordered",
    detail: `The certificate at ${url} is not accepted: ${why}.`,
    hint: "Report this to the CA. The previous certificate stays in place.",
    instance: url,
  });
}
