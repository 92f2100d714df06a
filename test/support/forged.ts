/** Certificates that the embedded CA did not issue, for its faults to send. */
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { readCsr } from "../../src/acme/certificate/csr.ts";
import type { TestCa } from "../../src/test-ca/test-ca.ts";

export const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const day = 86_400_000;

/** A leaf for this key without an authority key identifier; its issuer's key is thrown away. */
export async function forged(
  publicKey: x509.PublicKeyType,
  names: readonly string[],
  { from = -day, to = 90 * day }: { readonly from?: number; readonly to?: number } = {},
): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const leaf = await x509.X509CertificateGenerator.create({
    subject: "",
    issuer: "CN=Evil",
    publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: algorithm,
    serialNumber: "0badc0de",
    notBefore: new Date(Date.now() + from),
    notAfter: new Date(Date.now() + to),
    extensions: [
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns", value }))),
      new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1"]),
    ],
  });
  return `${leaf.toString("pem")}\n`;
}

/** The key of the CSR that this CA got last. */
export function askedFor({ requests }: TestCa): x509.PublicKeyType {
  const last = requests.findLast(({ kind }) => kind === "finalize");
  const { csr } = (last?.payload ?? {}) as { csr: string };
  return new x509.PublicKey(Uint8Array.from(readCsr(Buffer.from(csr, "base64url")).publicKey));
}
