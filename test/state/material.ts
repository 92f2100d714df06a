/** What a store keeps: real key pairs, a request, an unfinished order. */
import { createHash, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import type { CertificateRequest, VersionMeta } from "../../src/certificate.ts";
import type { NewVersion, PendingOrder } from "../../src/state/store.ts";

export function requestOf(name: string): CertificateRequest {
  return {
    name,
    identifiers: [{ type: "dns", value: "shop.example.com" }],
    keyType: "ec256",
    reuseKey: false,
    issuer: { server: "https://acme.example.org/directory", agreeTos: true },
    solvers: [],
    labels: {},
    outputs: {},
    hooks: {},
  };
}

const ended = { notBefore: "2026-01-01T00:00:00.000Z", notAfter: "2026-04-01T00:00:00.000Z" };

const shop = [
  { type: "dns", value: "shop.example.com" },
  { type: "ip", value: "2001:db8::1" },
] as const;

/** A key and a certificate for it; `serial` tells versions apart. */
export async function newVersion(
  serial: string,
  { notBefore, notAfter } = ended,
  identifiers: VersionMeta["identifiers"] = shop,
): Promise<NewVersion & { privateKey: string }> {
  const keys = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=shop.example.com",
    serialNumber: serial,
    keys,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [new x509.SubjectAlternativeNameExtension([...identifiers])],
  });
  const privateKey = x509.PemConverter.encode(
    await webcrypto.subtle.exportKey("pkcs8", keys.privateKey),
    "PRIVATE KEY",
  );
  const pem = certificate.toString("pem");
  return {
    privateKey,
    certificate: pem,
    chain: pem,
    meta: {
      ...metaOf(serial, certificate.rawData),
      identifiers,
      notBefore,
      notAfter,
      issuedAt: notBefore,
    },
  };
}

function metaOf(serial: string, der: ArrayBuffer): VersionMeta {
  return {
    identifiers: shop,
    serial,
    fingerprint: createHash("sha256").update(new Uint8Array(der)).digest("hex"),
    issuer: "CN=shop.example.com",
    ...ended,
    keyType: "ec256",
    directory: "https://acme.example.org/directory",
    account: "https://acme.example.org/acct/1",
    certificateUrl: "https://acme.example.org/cert/1",
    orderUrl: "https://acme.example.org/order/1",
    issuedAt: "2026-01-01T00:00:00.000Z",
    requestHash: "abc",
  };
}

/** An order with a key and what a solver has presented for it. */
export async function unfinishedOrder(name: string): Promise<PendingOrder> {
  return {
    name,
    orderUrl: "https://acme.example.org/order/1",
    directory: "https://acme.example.org/directory",
    accountId: "thumb",
    privateKey: (await newVersion("01")).privateKey,
    csr: "MIIB",
    requestHash: "abc",
    startedAt: "2026-03-01T00:00:00.000Z",
    presented: [
      {
        solver: { name: "cf", use: "cloudflare", options: { ttl: 60 } },
        type: "dns-01",
        challenge: {
          type: "dns-01",
          identifier: { type: "dns", value: "example.com" },
          wildcard: true,
          token: "t",
          keyAuthorization: "t.k",
          validationName: "_acme-challenge.example.com",
          recordName: "_acme-challenge.example.com",
          recordValue: "v",
        },
        receipt: { record: 7 },
      },
    ],
  };
}
