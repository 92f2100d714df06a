import { createHash } from "node:crypto";
import type { CertificateRequest } from "../certificate.ts";
import type { HeldCertificate, StoredCertificate } from "../state/store.ts";
import { termsOf } from "./terms.ts";

/** The issuer that a certificate came from, where the request names it; the request's first one otherwise. */
export function issuerOf(
  { issuer, issuers = [issuer] }: Pick<CertificateRequest, "issuer" | "issuers">,
  held: HeldCertificate | undefined,
): CertificateRequest["issuer"] {
  return issuers.find(({ server }) => server === held?.meta.directory) ?? issuers[0] ?? issuer;
}

/** True if the CA that issued what is held is none of the request's. */
export function changesCa(
  { issuer, issuers = [issuer] }: Pick<CertificateRequest, "issuer" | "issuers">,
  { meta }: HeldCertificate,
): boolean {
  return meta.temporary !== true && issuers.every(({ server }) => server !== meta.directory);
}

/** As it is remembered, whichever issuer was asked in the end: the next run asks the first one again. */
export function withFirstIssuer(request: CertificateRequest): CertificateRequest {
  return { ...request, issuer: request.issuers?.[0] ?? request.issuer };
}

/** Hash of those parts of a request that decide what is issued: names, key type, issuer, profile, chain, CSR. */
export function requestHash(request: CertificateRequest): string {
  const decisive = {
    identifiers: request.identifiers.map(({ type, value }) => `${type}:${value}`).toSorted(),
    keyType: request.csr === undefined ? request.keyType : "csr",
    csr: request.csr ?? null,
    server: request.issuer.server,
    profile: request.profile ?? null,
    preferredChain: request.preferredChain ?? null,
    terms: termsOf(request),
  };
  return createHash("sha256").update(JSON.stringify(decisive)).digest("hex");
}

/** As `requestHash`, and equal only while the config grants the same limits of the CAs. */
export function limitedHash(request: CertificateRequest): string {
  const { issuer, issuers = [issuer] } = request;
  const granted = issuers.map(({ limits }) => limits);
  const decisive = JSON.stringify([requestHash(request), granted]);
  return createHash("sha256").update(decisive).digest("hex");
}

/** Equal for the same names in any order. */
export function namesHash(identifiers: CertificateRequest["identifiers"]): string {
  return createHash("sha256").update(namesOf(identifiers)).digest("hex").slice(0, 16);
}

/** Why what is held does not satisfy the request, in words; undefined when it does. */
export function driftOf(
  wanted: CertificateRequest,
  held: HeldCertificate | undefined,
): string | undefined {
  if (held === undefined) return "no certificate is held";
  const { meta } = held;
  if (meta.temporary === true) return "it is a temporary certificate, signed by itself";
  // A certificate of any of the issuers is what was asked for.
  const request = { ...wanted, issuer: issuerOf(wanted, held) };
  const parts: readonly (readonly [what: string, before: string, after: string])[] = [
    ["names", namesOf(meta.identifiers), namesOf(request.identifiers)],
    ["key type", meta.keyType, request.csr === undefined ? request.keyType : "csr"],
    ["issuer", meta.directory, request.issuer.server],
    part("profile", meta.profile, request.profile),
    part("preferred chain", meta.preferredChain, request.preferredChain),
    part("terms", meta.terms, termsOf(request)),
  ];
  const changed = parts.find(([, before, after]) => before !== after);
  // Hashing loads OpenSSL. Only a CSR is not among the parts.
  if (changed === undefined && request.csr === undefined) return undefined;
  if (meta.requestHash === requestHash(request)) return undefined;
  if (changed === undefined) return "the certificate signing request changed";
  return `${changed[0]} changed from ${changed[1]} to ${changed[2]}`;
}

function part(what: string, before = "none", after = "none") {
  return [what, before, after] as const;
}

/** In one order, whatever the order of the request. */
export function namesOf(identifiers: CertificateRequest["identifiers"]): string {
  const names = identifiers.map(({ value }) => value);
  return names.toSorted().join(", ");
}

export function isExpired(held: HeldCertificate, now: Date): boolean {
  return new Date(held.meta.notAfter) <= now;
}

/** Why the certificate held was revoked, if it was. */
export function revokedFor(before: StoredCertificate | undefined): string | undefined {
  const revoked = before?.status.revoked;
  return revoked?.fingerprint === before?.held?.meta.fingerprint ? revoked?.reason : undefined;
}

/** What is held and need not be replaced. */
export function goodCertificate(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  isWanted: ((certificate: StoredCertificate, now: Date) => boolean) | undefined,
  now: Date,
): HeldCertificate | undefined {
  const held = before?.held;
  if (before === undefined || held === undefined) return undefined;
  if (driftOf(request, held) !== undefined || isExpired(held, now)) return undefined;
  if (revokedFor(before) !== undefined) return undefined;
  return isWanted?.(before, now) === true ? undefined : held;
}

/** As it was before the temporary certificate, if that is what is held. */
export function withoutTemporary(
  before: StoredCertificate | undefined,
): StoredCertificate | undefined {
  return before?.held?.meta.temporary === true ? { ...before, held: undefined } : before;
}

/** Names of the certificate held that the request leaves out, and those that it adds. */
export function changedNames(
  request: CertificateRequest,
  held: HeldCertificate | undefined,
): { readonly dropped: readonly string[]; readonly added: readonly string[] } {
  if (held === undefined) return { dropped: [], added: [] };
  const before = held.meta.identifiers.map(({ value }) => value);
  const after = request.identifiers.map(({ value }) => value);
  return {
    dropped: before.filter((name) => !after.includes(name)),
    added: after.filter((name) => !before.includes(name)),
  };
}
