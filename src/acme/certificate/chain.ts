/** Certificate chains as a CA sends them: strict reading (RFC 8555 §11.4), and the choice of one. */
import { X509Certificate } from "node:crypto";
import tls from "node:tls";
import { Problem } from "../../problem.ts";
import type { DownloadedChain } from "../acme.ts";
import { readPublicKey } from "../keys.ts";
import { printable } from "../text.ts";
import { publicKeyOf } from "./extensions.ts";

/**
 * The chain that the user prefers, by the name of an issuer in it or by a SHA-256 fingerprint (of a certificate in it, or of
 * the root above it). Of several, the one whose match is nearest to the root. The CA's default chain, with a warning, when
 * none matches. `roots` are trusted beside those of this machine, as PEM.
 */
export function chooseChain(
  chains: readonly DownloadedChain[],
  preferred: string | undefined,
  log?: { warn(message: string): void },
  roots: readonly string[] = [],
): DownloadedChain {
  const [first] = chains;
  if (first === undefined) throw new Problem("protocol", { detail: "The CA sent no certificate." });
  if (preferred === undefined) return first;
  const wanted = normalized(preferred);
  const read = chains.map((chain) => ({ chain, links: linksOf(chain, roots) }));
  const matchers = [
    ({ names }: Link) => names.includes(wanted),
    ({ fingerprints }: Link) => fingerprints.includes(bareFingerprint(wanted)),
    // acme.sh matches a part of the name.
    ({ names }: Link) => names.some((name) => name.includes(wanted)),
  ];
  for (const matches of wanted === "" ? [] : matchers) {
    const ranked = read
      .map(({ chain, links }) => ({ chain, distance: links.toReversed().findIndex(matches) }))
      .filter(({ distance }) => distance !== -1)
      .toSorted((one, other) => one.distance - other.distance);
    if (ranked[0] !== undefined) return ranked[0].chain;
  }
  log?.warn(
    `No chain of the CA matches "${printable(preferred, 200)}"; its default chain is used. Offered: ${chains.map(described).join("; ")}`,
  );
  return first;
}

interface Link {
  /** Of the issuer. */
  readonly names: readonly string[];
  /** Of the certificate, and of the root that issued it. */
  readonly fingerprints: readonly string[];
}

function linksOf(chain: DownloadedChain, roots: readonly string[]): Link[] {
  const certificates = readChain(chain);
  if (typeof certificates === "string") return [];
  return certificates.map((certificate, index) => ({
    names: [normalized(commonName(certificate.issuer))],
    fingerprints: [
      fingerprintOf(certificate),
      // CAs leave out the root, which is the fingerprint that people know.
      ...(index === certificates.length - 1 ? rootsAbove(certificate, roots) : []),
    ],
  }));
}

/** Case, quotes, blanks around it and a leading `CN=` do not count. */
function normalized(name: string): string {
  const bare = name.trim().replace(/^(["'])(.*)\1$/, "$2");
  return bare
    .trim()
    .replace(/^CN\s*=\s*/i, "")
    .trim()
    .toLowerCase();
}

/** Also as openssl prints it: `sha256 Fingerprint=AB:CD`. */
function bareFingerprint(text: string): string {
  return text.replace(/^sha-?256(?: fingerprint)?\s*[=:]/, "").replaceAll(/[\s:]/g, "");
}

function described(chain: DownloadedChain): string {
  const certificates = readChain(chain);
  const last = typeof certificates === "string" ? undefined : certificates.at(-1);
  if (typeof certificates === "string" || last === undefined) return "an unreadable chain";
  const names = certificates.map((certificate) => `"${commonName(certificate.issuer)}"`);
  return `${names.join(" < ")} (SHA-256 of the last certificate: ${fingerprintOf(last)})`;
}

/** Fingerprints of the trusted roots that issued the certificate. */
function rootsAbove(certificate: X509Certificate, roots: readonly string[]): string[] {
  return [...defaultRoots(), ...roots].flatMap((pem) => {
    const root = tryCertificate(pem);
    if (root?.subject !== certificate.issuer) return [];
    const key = readPublicKey(publicKeyOf(root));
    return key !== undefined && certificate.verify(key) ? [fingerprintOf(root)] : [];
  });
}

/** The trusted roots, with NODE_EXTRA_CA_CERTS and the like if this Node.js supports it. */
function defaultRoots(): readonly string[] {
  // A named import that Node.js 22.12 does not have would keep the whole module from loading.
  return typeof tls.getCACertificates === "function"
    ? tls.getCACertificates("default")
    : tls.rootCertificates;
}

/** The certificate in PEM or DER; undefined for anything else. */
export function tryCertificate(text: string | Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}

const mostCertificates = 10;
const longestCertificate = 64 * 1024;

/** The certificates of a chain, leaf first; a text that says what is wrong with it. */
export function readChain({ pem }: Pick<DownloadedChain, "pem">): X509Certificate[] | string {
  const ders = certificatesOf(pem);
  if (typeof ders === "string") return ders;
  if (ders.length > mostCertificates) return `it has ${ders.length} certificates`;
  if (ders.some((der) => der.length > longestCertificate))
    return "a certificate in it is over 64 KiB";
  const read = ders.map(tryCertificate).filter((certificate) => certificate !== undefined);
  if (read.length !== ders.length) return "a PEM block in it is not an X.509 certificate";
  // OpenSSL ignores what follows the certificate; we store only what it read.
  const whole = read.every(({ raw }, index) => ders[index]?.equals(raw));
  return whole ? read : "a PEM block in it contains more than a certificate";
}

const block = /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+?)-----END CERTIFICATE-----/g;

/**
 * The DER of every certificate in a chain; a text when something else is in it. A block of another kind (a private key,
 * say) makes the whole text unusable.
 */
export function certificatesOf(pem: string): Buffer[] | string {
  const begins = [...pem.matchAll(/-----BEGIN ([^-\r\n]*)-*/g)];
  const other = begins.find(([, label]) => label !== "CERTIFICATE");
  if (other !== undefined) return "it has a PEM block that is not a certificate";
  const found = [...pem.matchAll(block)].map(([, body = ""]) => Buffer.from(body, "base64"));
  if (found.length !== begins.length || found.length === 0) return "its PEM is broken";
  return found;
}

/** SHA-256, lower-case hexadecimal. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(":", "").toLowerCase();
}

/** Node.js writes a name as one `KEY=value` a line. */
export function commonName(name: string): string {
  const parts = name.split("\n");
  const common = parts.find((part) => part.startsWith("CN="));
  return printable(common?.slice(3) ?? parts.join(", "), 200);
}
