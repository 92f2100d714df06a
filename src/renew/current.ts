/** The certificate of an earlier run, given as a file, replaces a state folder: while it is good, nothing is ordered. */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  certificateId,
  identifiersOf,
  isAuthority,
  publicKeyOf,
  serialOf,
} from "../acme/certificate/extensions.ts";
import { isSameKey, keyTypeOf, publicHalf, readPublicKey } from "../acme/keys.ts";
import { withLineBreaks } from "../acme/pem.ts";
import { certificatesOf } from "../acme/certificate/chain.ts";
import type { CertificateRequest, KeyType } from "../certificate.ts";
import { codeOf, systemReason } from "../errors.ts";
import { namesOf, requestHash } from "../request/drift.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate } from "../state/store.ts";
import { dueOf } from "../status/due.ts";
import { askCa, type AriTools } from "./ari.ts";

/** Absolute paths. */
export interface CurrentFiles {
  readonly certificate: string;
  readonly privateKey?: string | undefined;
}

/**
 * The certificate in the files if it satisfies the request and is not due; undefined, and the log says why, if a new one is
 * needed. A file that is missing or empty is a first run. Anything else than a certificate, or a key that is not the
 * certificate's, is a `config` Problem.
 */
export async function goodCurrent(
  request: CertificateRequest,
  files: CurrentFiles,
  tools: AriTools,
): Promise<HeldCertificate | undefined> {
  const { log } = tools;
  const leaf = await readLeaf(files.certificate);
  if (leaf === undefined) {
    log.info(`${files.certificate} has no certificate yet`, { step: "current" });
    return undefined;
  }
  const key = await readKey(files.privateKey);
  if (key !== undefined && !isSameKey(key, publicKeyOf(leaf))) throw otherKey(files);
  if (files.privateKey !== undefined && key === undefined) {
    log.info(`${files.privateKey} has no key, so the certificate cannot be used`, {
      step: "current",
    });
    return undefined;
  }
  const held = heldOf(leaf, request);
  const why = (await otherThan(request, held, leaf)) ?? (await dueReason(request, held, tools));
  if (why === undefined) return held;
  log.info(`${files.certificate} is replaced: ${why}`, { step: "current" });
  return undefined;
}

async function readLeaf(path: string): Promise<X509Certificate | undefined> {
  const pem = await readGiven(path, "--current-cert");
  if (pem === undefined) return undefined;
  const ders = certificatesOf(withLineBreaks(pem));
  if (typeof ders === "string") throw unreadable(path, ders);
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(ders[0] ?? Buffer.alloc(0));
  } catch (cause) {
    throw unreadable(path, "its first PEM block is not an X.509 certificate", cause);
  }
  if (isAuthority(leaf)) throw unreadable(path, "it begins with the certificate of a CA");
  return leaf;
}

function unreadable(path: string, why: string, cause?: unknown): Problem {
  return new Problem("config", {
    detail: `--current-cert: ${path} is not the certificate of an earlier run: ${why}.`,
    hint: "Give the unchanged fullchain.pem of the last run, or remove the file to get a new certificate.",
    cause,
  });
}

/** The public half. */
async function readKey(path: string | undefined): Promise<Buffer | undefined> {
  const pem = path === undefined ? undefined : await readGiven(path, "--current-key");
  if (pem === undefined) return undefined;
  try {
    return publicHalf(withLineBreaks(pem));
  } catch (cause) {
    throw new Problem("config", {
      detail: `--current-key: ${path} cannot be read as a private key.`,
      hint: "Give the unchanged privkey.pem of the last run, or remove both files to get a new certificate.",
      cause,
    });
  }
}

function otherKey({ certificate, privateKey }: CurrentFiles): Problem {
  return new Problem("config", {
    detail: `--current-key: ${privateKey} is not the key of ${certificate}.`,
    hint: "Give both files of one run, or remove both to get a new certificate.",
  });
}

/** A missing or empty file is a first run: pipelines make empty files of secrets that are not set. */
async function readGiven(path: string, option: string): Promise<string | undefined> {
  try {
    const text = await readFile(path, "utf8");
    return text.trim() === "" ? undefined : text;
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw new Problem("config", {
      detail: `${option}: ${path} cannot be read: ${systemReason(cause)}.`,
      hint: "Give the path of a PEM file that this user may read.",
      cause,
    });
  }
}

/** The certificate as a state folder would keep it. What it does not contain, such as its directory, comes from the request. */
function heldOf(leaf: X509Certificate, request: CertificateRequest): HeldCertificate {
  const common = leaf.issuer.split("\n").find((part) => part.startsWith("CN="));
  return {
    version: 0,
    meta: {
      identifiers: identifiersOf(leaf),
      serial: serialOf(leaf),
      fingerprint: leaf.fingerprint256.replaceAll(":", "").toLowerCase(),
      issuer: common?.slice(3) ?? leaf.issuer.replaceAll("\n", ", "),
      notBefore: new Date(leaf.validFrom).toISOString(),
      notAfter: new Date(leaf.validTo).toISOString(),
      keyType: typeOf(leaf) ?? "csr",
      directory: request.issuer.server,
      account: "",
      certificateUrl: "",
      orderUrl: "",
      ariId: certificateId(leaf),
      issuedAt: new Date(leaf.validFrom).toISOString(),
      requestHash: requestHash(request),
    },
  };
}

function typeOf(leaf: X509Certificate): KeyType | undefined {
  const key = readPublicKey(publicKeyOf(leaf));
  return key && keyTypeOf(key);
}

/** How it differs from the request, in words. */
async function otherThan(
  request: CertificateRequest,
  { meta }: HeldCertificate,
  leaf: X509Certificate,
): Promise<string | undefined> {
  const [has, wanted] = [namesOf(meta.identifiers), namesOf(request.identifiers)];
  if (has !== wanted) return `it is for ${has || "no names"} instead of ${wanted}`;
  if (request.csr !== undefined) {
    // It parses ASN.1 with a library that few runs need.
    const { readCsr } = await import("../acme/certificate/csr.ts");
    const { publicKey } = readCsr(Buffer.from(request.csr, "base64"));
    return isSameKey(publicKey, publicKeyOf(leaf)) ? undefined : "its key is not the CSR's";
  }
  if (meta.keyType === request.keyType) return undefined;
  return `its key is ${meta.keyType === "csr" ? "of another type" : meta.keyType} instead of ${request.keyType}`;
}

/** By the CA's renewal information, else by the lifetime; undefined while it is not due. */
async function dueReason(
  request: CertificateRequest,
  held: HeldCertificate,
  tools: AriTools,
): Promise<string | undefined> {
  const now = tools.clock.now();
  const { ariId, fingerprint, notAfter } = held.meta;
  const mayAsk = ariId !== undefined && new Date(notAfter) > now;
  const ari = mayAsk
    ? await askCa(ariId, undefined, tools, () => fraction(fingerprint))
    : undefined;
  const due = dueOf({ name: request.name, request, held, status: { failures: 0, ari } }, now);
  return due.at <= now ? due.reason : undefined;
}

/** In [0, 1), from the certificate itself: with nothing kept between runs, each run must choose the same time in the window. */
function fraction(fingerprint: string): number {
  return Number.parseInt(fingerprint.slice(0, 12), 16) / 2 ** 48;
}
