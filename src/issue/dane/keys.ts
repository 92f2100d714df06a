import { X509Certificate, createHash } from "node:crypto";
import { publicKeyOf } from "../../acme/certificate/extensions.ts";
import { createPrivateKey, publicHalf } from "../../acme/keys.ts";
import { signerOf } from "../../acme/signer.ts";
import { type CertificateRequest, type KeyType, keyTypes } from "../../certificate.ts";
import { readKeyFile } from "../../request/given-file.ts";
import type { HeldCertificate, Store, StoredCertificate } from "../../state/store.ts";
import { isReal } from "./up-to-date.ts";

/** `3 1 1`: SHA-256 of the public key (SPKI, DER) of the server's own certificate, as RFC 7671 §5.1 recommends. */
export function tlsaOf(publicKey: Uint8Array): string {
  return `3 1 1 ${createHash("sha256").update(publicKey).digest("hex")}`;
}

/** TLSA values of the keys in use. */
export async function currentValues(
  name: string,
  held: HeldCertificate | undefined,
  { certificates }: Pick<Store, "certificates">,
): Promise<readonly string[]> {
  if (held === undefined) return [];
  const { second } = held.meta;
  const all = await Promise.all([
    certificates.readCertificate(name),
    second && certificates.readCertificate(name, second.keyType),
  ]);
  return all.flatMap((pems) =>
    pems === undefined ? [] : [tlsaOf(publicKeyOf(new X509Certificate(pems.certificate)))],
  );
}

/**
 * The places that have TLSA records, and none of a key in use: a server that was given the certificate now would be turned away
 * (RFC 7671 §8.1). Without any record clients do not look at the key.
 */
export async function unannouncedAt(
  { name, request, held, status }: StoredCertificate,
  store: Pick<Store, "certificates">,
): Promise<readonly string[]> {
  const seen = (status.dane?.records ?? []).filter(({ seenAt }) => seenAt !== undefined);
  if (request.dane === undefined || seen.length === 0 || !isReal(held)) return [];
  const current = await currentValues(name, held, store);
  const places = new Set(seen.map(({ challenge }) => challenge.recordName));
  const isThere = (place: string, value: string) =>
    seen.some(({ challenge }) => {
      const { recordName, recordValue } = challenge;
      return recordName === place && recordValue === value;
    });
  return [...places].filter((place) => !current.every((value) => isThere(place, value)));
}

/** The key of this type that the next certificate gets, made now if there is none. */
export async function nextKey(
  request: CertificateRequest,
  keyType: KeyType,
  store: Pick<Store, "certificates">,
): Promise<string | undefined> {
  await nextValues(request, [], store);
  return store.certificates.readNextKey(request.name, keyType);
}

/** The CA may issue for the key of an unfinished order at any time: it is the next one then, and is announced. */
export async function adoptOrderKeys(
  { name, privateKey }: CertificateRequest,
  { journal, certificates }: Pick<Store, "journal" | "certificates">,
): Promise<void> {
  if (privateKey !== undefined) return;
  const order = await journal.read(name);
  for (const pem of [order?.privateKey, order?.second?.privateKey])
    if (pem !== undefined) await certificates.saveNextKey(name, signerOf(pem).type, pem);
}

/**
 * TLSA values of the keys that the next certificate gets. A key that is missing is made, and so is one that is in use by now.
 */
export async function nextValues(
  request: CertificateRequest,
  current: readonly string[],
  { certificates }: Pick<Store, "certificates">,
): Promise<readonly string[]> {
  const { name, csr, privateKey, keyType, secondKeyType = keyType } = request;
  if (csr !== undefined) {
    // It parses ASN.1 with a library that few runs need.
    const { readCsr } = await import("../../acme/certificate/csr.ts");
    return [tlsaOf(readCsr(Buffer.from(csr, "base64")).publicKey)];
  }
  if (privateKey !== undefined) return [tlsaOf(publicHalf((await readKeyFile(privateKey)).pem))];
  const wanted = new Set([keyType, secondKeyType]);
  for (const type of keyTypes)
    if (!wanted.has(type)) await certificates.saveNextKey(name, type, undefined);
  const keys = [...wanted].map(async (type) => {
    const known = await certificates.readNextKey(name, type);
    const value = known && tlsaOf(publicHalf(known));
    return value === undefined || current.includes(value) ? makeNext(name, type) : value;
  });
  return Promise.all(keys);

  async function makeNext(name: string, type: KeyType): Promise<string> {
    const made = await createPrivateKey(type);
    await certificates.saveNextKey(name, type, made);
    return tlsaOf(publicHalf(made));
  }
}
