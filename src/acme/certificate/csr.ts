/** Certificate signing requests (PKCS#10). */
import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from "node:crypto";
import {
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from "@peculiar/x509";
import type { KeyType } from "../../certificate.ts";
import type { Identifier } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import { identifierKey, parseIdentifiers } from "../identifiers.ts";
import { keyTypeOf, readPrivateKey, unsuitable } from "../keys.ts";
import { withLineBreaks } from "../pem.ts";

/** A request in DER with an empty subject: all names are in the subject alternative name extension. */
export async function createCsr(
  privateKeyPem: string,
  identifiers: readonly Identifier[],
): Promise<Uint8Array> {
  const names = identifiers.map(({ type, value }) => ({ type, value }));
  const { keys, signingAlgorithm } = await importKeys(privateKeyPem);
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm,
    extensions: [new SubjectAlternativeNameExtension(names)],
  });
  return new Uint8Array(request.rawData);
}

/** A request that the user brought. */
export interface ReadCsr {
  readonly der: Uint8Array;
  readonly identifiers: readonly Identifier[];
  readonly publicKey: KeyObject;
  readonly keyType: KeyType;
}

/** Read PEM text or DER. `source` names it in the `config` Problems. */
export function readCsr(csr: string | Uint8Array, source = "the CSR"): ReadCsr {
  const request = parse(csr, source);
  const publicKey = createPublicKey({
    key: Buffer.from(request.publicKey.rawData),
    format: "der",
    type: "spki",
  });
  const keyType = keyTypeOf(publicKey);
  if (keyType === undefined) throw unsuitable(`The key of ${source}`);
  const der = new Uint8Array(request.rawData);
  return { der, identifiers: namesOf(request, source), publicKey, keyType };
}

/** Reject a request that its own key did not sign, before a CA does so at the end of an order. */
export async function verifyCsr(csr: Uint8Array, source: string): Promise<void> {
  const isSigned = await new Pkcs10CertificateRequest(Uint8Array.from(csr))
    .verify(webcrypto)
    .catch(() => false);
  if (isSigned) return;
  throw new Problem("config", {
    detail: `${source} is not signed by its own key.`,
    hint: "Create the CSR again; it was changed or damaged after it was signed.",
  });
}

function parse(csr: string | Uint8Array, source: string): Pkcs10CertificateRequest {
  try {
    const der =
      typeof csr === "string"
        ? PemConverter.decodeFirst(withLineBreaks(csr))
        : Uint8Array.from(csr);
    return new Pkcs10CertificateRequest(der);
  } catch (cause) {
    throw new Problem("config", {
      detail: `${source} is not a certificate signing request.`,
      hint: "Give PKCS#10 in PEM form: -----BEGIN CERTIFICATE REQUEST-----",
      cause,
    });
  }
}

function namesOf(request: Pkcs10CertificateRequest, source: string): Identifier[] {
  const names = namesIn(request);
  const foreign = names.find(({ type }) => type !== "dns" && type !== "ip");
  const common = request.subjectName.getField("CN");
  if (foreign !== undefined || names.length + common.length === 0) {
    throw new Problem("config", {
      detail:
        foreign === undefined
          ? `${source} contains no names.`
          : `${source} has a name of type ${foreign.type}, which ACME does not support.`,
      hint: "Create a CSR with only DNS names and IP addresses in its subjectAltName extension.",
    });
  }
  const identifiers = parseIdentifiers([...names.map(({ value }) => value), ...common]);
  return [...new Map(identifiers.map((one) => [identifierKey(one), one])).values()];
}

const subjectAltName = "2.5.29.17";

function namesIn(request: Pkcs10CertificateRequest): { type: string; value: string }[] {
  const extension = request.getExtension(subjectAltName);
  if (!(extension instanceof SubjectAlternativeNameExtension)) return [];
  return extension.names.items.map(({ type, value }) => ({ type, value }));
}

/** WebCrypto needs the algorithm of the key. */
async function importKeys(
  pem: string,
): Promise<{ keys: webcrypto.CryptoKeyPair; signingAlgorithm: webcrypto.EcdsaParams }> {
  const key = readPrivateKey(pem);
  const [algorithm, hash] = algorithms[key.type];
  const privateKey = createPrivateKey(key.pem);
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const { subtle } = webcrypto;
  return {
    keys: {
      privateKey: await subtle.importKey("pkcs8", pkcs8, { ...algorithm, hash }, false, ["sign"]),
      publicKey: await subtle.importKey("spki", spki, { ...algorithm, hash }, true, ["verify"]),
    },
    signingAlgorithm: { name: algorithm.name, hash },
  };
}

const rsa = [{ name: "RSASSA-PKCS1-v1_5" }, "SHA-256"] as const;
const algorithms = {
  ec256: [{ name: "ECDSA", namedCurve: "P-256" }, "SHA-256"],
  ec384: [{ name: "ECDSA", namedCurve: "P-384" }, "SHA-384"],
  rsa2048: rsa,
  rsa3072: rsa,
  rsa4096: rsa,
} as const;
