/** Certificate signing requests that people bring. */
import { webcrypto } from "node:crypto";
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from "@peculiar/x509";
import type { KeyType } from "../../certificate.ts";
import type { Identifier } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import { identifierKey, readName } from "../identifiers.ts";
import { keyTypeOf, readPublicKey } from "../keys.ts";
import { withLineBreaks } from "../pem.ts";
import { printable } from "../text.ts";

export interface ReadCsr {
  readonly der: Uint8Array;
  readonly identifiers: readonly Identifier[];
  /** SPKI in DER. */
  readonly publicKey: Buffer;
  /** Undefined for keys that public CAs reject. */
  readonly keyType: KeyType | undefined;
}

/** Read PEM text or DER. `source` names it in the `config` Problems. */
export function readCsr(csr: string | Uint8Array, source = "the CSR"): ReadCsr {
  const { der, publicKey, names } = parse(csr, source);
  const known = readPublicKey(publicKey);
  const keyType = known && keyTypeOf(known);
  return { der, identifiers: identifiersOf(names, source), publicKey, keyType };
}

/**
 * Reject a request that its own key did not sign, before a CA does so at the end of an order. The signature of a key of an
 * unknown algorithm is left to the CA.
 */
export async function verifyCsr(csr: Uint8Array, source: string): Promise<void> {
  const request = new Pkcs10CertificateRequest(Uint8Array.from(csr));
  if (readPublicKey(Buffer.from(request.publicKey.rawData)) === undefined) return;
  if (await request.verify(webcrypto).catch(() => false)) return;
  throw new Problem("config", {
    detail: `${source} is not signed by its own key.`,
    hint: "Create the CSR again; it was changed or damaged after it was signed.",
  });
}

type Place = "subjectAltName" | "common name";

interface Name {
  readonly type: string;
  readonly value: string;
  readonly place: Place;
}

/** All that is needed of it at once: the library reads some parts when they are asked for, and throws then. */
function parse(csr: string | Uint8Array, source: string) {
  const given = typeof csr === "string" ? derIn(csr, source) : Uint8Array.from(csr);
  try {
    const request = new Pkcs10CertificateRequest(given);
    const extension = request.getExtension("2.5.29.17");
    const names = extension instanceof SubjectAlternativeNameExtension ? extension.names.items : [];
    const common = request.subjectName.getField("CN");
    return {
      der: new Uint8Array(request.rawData),
      publicKey: Buffer.from(request.publicKey.rawData),
      names: [
        ...names.map(({ type, value }): Name => ({ type, value, place: "subjectAltName" })),
        ...common.map((value): Name => ({ type: "dns", value, place: "common name" })),
      ],
    };
  } catch (cause) {
    throw new Problem("config", {
      detail: `${source} is not a certificate signing request.`,
      hint: "Give PKCS#10 in PEM form: -----BEGIN CERTIFICATE REQUEST-----",
      cause,
    });
  }
}

const block =
  /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[^-]*-----END (?:NEW )?CERTIFICATE REQUEST-----/g;

/** The one request in a text, which may have a key or explanations around it; its base64 alone is accepted too. */
function derIn(text: string, source: string): Uint8Array<ArrayBuffer> {
  const [first, ...others] = withLineBreaks(text).match(block) ?? [];
  if (others.length > 0) {
    throw new Problem("config", {
      detail: `${source} contains ${others.length + 1} certificate signing requests.`,
      hint: "Give a file with one request.",
    });
  }
  if (first === undefined) return Uint8Array.from(Buffer.from(text, "base64"));
  const base64 = first.replaceAll(/-----[^-]*-----/g, "");
  return Uint8Array.from(Buffer.from(base64, "base64"));
}

/** Each name must be written as the CA issues it: a CA compares the request with the order (RFC 8555 section 7.4). */
function identifiersOf(names: readonly Name[], source: string): Identifier[] {
  if (names.length === 0) {
    throw new Problem("config", { detail: `${source} contains no names.`, hint: namesHint });
  }
  const identifiers = names.map((name) => identifierOf(name, source));
  return [...new Map(identifiers.map((one) => [identifierKey(one), one])).values()];
}

const namesHint =
  "Create a CSR with only DNS names and IP addresses in its subjectAltName extension.";

function identifierOf({ type, value, place }: Name, source: string): Identifier {
  const shown = `"${printable(value, 300)}"`;
  if (type !== "dns" && type !== "ip") {
    const kind = type === "email" ? "an email address" : `a name of type ${type}`;
    throw new Problem("config", {
      detail: `${source} has ${kind}, ${shown}, in its ${place}, which ACME does not support.`,
      hint: namesHint,
    });
  }
  const identifier = readName(value);
  if (typeof identifier === "string") {
    throw new Problem("config", {
      detail: `The ${place} ${shown} of ${source} is not a host name: ${identifier.replace(/;[^]*$/, ".")}`,
      hint: `Create a CSR without this ${place === "common name" ? "common name" : "name"}.`,
    });
  }
  if (identifier.type === "dns" && identifier.value !== value.toLowerCase()) {
    throw new Problem("config", {
      detail: `The ${place} ${shown} of ${source} is not written as in a certificate, so the CA would reject it.`,
      hint: `Create a CSR with ${identifier.value} instead.`,
    });
  }
  return identifier;
}
