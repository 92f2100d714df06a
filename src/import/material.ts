/** Keys and certificates of other clients, checked as strictly as those from a CA. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { acceptCertificate, type AcceptedCertificate } from "../acme/certificate/accept.ts";
import { identifiersOf } from "../acme/certificate/extensions.ts";
import { publicHalf, readPrivateKey, thumbprint } from "../acme/keys.ts";
import type { KeyType } from "../certificate.ts";
import type { Identifier } from "../plugin.ts";
import { asProblem, Problem } from "../problem.ts";
import type { FoundPems } from "./found.ts";

/** Key and certificate, as far as they can be used. */
export interface Material {
  readonly identifiers: readonly Identifier[];
  readonly keyType: KeyType;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
  /** Absent when it cannot be used; `why` has the reason. */
  readonly certificate?: AcceptedCertificate;
  readonly why?: string;
}

/** Names come from the certificate. A `config` Problem when not even those can be read. */
export function readMaterial(pems: FoundPems, now: Date): Material {
  const { pem: privateKey, type: keyType } = readPrivateKey(pems.key, `The key of ${pems.source}`);
  const pem = blocksOf(`${pems.certificate}\n${pems.chain ?? ""}`);
  const identifiers = namesInCertificate(pem, pems.source);
  try {
    const certificate = acceptCertificate(
      { url: pems.source, pem },
      { publicKey: publicHalf(privateKey), identifiers, now },
    );
    return { identifiers, keyType, privateKey, certificate };
  } catch (error) {
    return { identifiers, keyType, privateKey, why: asProblem(error).message };
  }
}

/** An account's key, however it is written, with the id that acmectl gives it. A `config` Problem when it is unusable. */
export function readAccountKey(
  text: string | Record<string, unknown>,
  source: string,
): { key: string; id: string } {
  const { pem } = readPrivateKey(typeof text === "string" ? text : pemOf(text, source), source);
  return { key: pem, id: thumbprint(pem) };
}

/** RFC 7517 → PKCS#8 PEM. */
function pemOf(jwk: Record<string, unknown>, source: string): string {
  try {
    return createPrivateKey({ key: jwk, format: "jwk" })
      .export({ type: "pkcs8", format: "pem" })
      .toString();
  } catch (cause) {
    throw new Problem("config", {
      detail: `${source} does not contain a private key as a JSON Web Key (RFC 7517).`,
      hint: "Restore the file from a backup.",
      cause,
    });
  }
}

/** The certificates alone: other clients put empty lines and comments between them. Each once, for a chain may be repeated. */
function blocksOf(text: string): string {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const spelled = blocks.map((block) => block.replaceAll(/\s+/g, ""));
  return blocks
    .filter((_, index) => spelled.indexOf(spelled[index] ?? "") === index)
    .map((block) => `${block}\n`)
    .join("");
}

/** The names of the first certificate in a text. A `config` Problem when it cannot be read or has none. */
export function namesInCertificate(pem: string, source: string): readonly Identifier[] {
  let names: readonly Identifier[];
  try {
    names = identifiersOf(new X509Certificate(pem));
  } catch (cause) {
    throw new Problem("config", {
      detail: `${source} does not contain a readable certificate.`,
      hint: "Restore the file from a backup, or issue the certificate again with `acmectl issue`.",
      cause,
    });
  }
  if (names.length > 0) return names;
  throw new Problem("config", {
    detail: `The certificate in ${source} has neither DNS names nor IP addresses.`,
    hint: "Get a certificate for the right names with `acmectl issue`.",
  });
}
