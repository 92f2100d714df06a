import { createPrivateKey, createPublicKey } from "node:crypto";
import type { Identifier } from "../../plugin.ts";
import { keyTypeOf, unsuitable } from "../keys.ts";

/** What browsers show; and how it is recognized in a file. */
export const temporaryIssuer = "acmectl temporary certificate";

const month = 30 * 24 * 3_600_000;

/** A certificate that its own key signs, PEM: a server can start with it, and no client trusts it. */
export async function createTemporary(
  privateKey: string,
  identifiers: readonly Identifier[],
  now: Date,
): Promise<string> {
  const key = createPrivateKey(privateKey);
  const type = keyTypeOf(key);
  if (type === undefined) throw unsuitable("the private key");
  const algorithm = type.startsWith("ec")
    ? { name: "ECDSA", namedCurve: type === "ec256" ? "P-256" : "P-384", hash: "SHA-256" }
    : { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  // It takes longer to load than an order, and few runs need it.
  const x509 = await import("@peculiar/x509");
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${temporaryIssuer}`,
    keys: {
      privateKey: key.toCryptoKey(algorithm, false, ["sign"]),
      publicKey: createPublicKey(key).toCryptoKey(algorithm, true, ["verify"]),
    },
    signingAlgorithm: algorithm,
    notBefore: now,
    notAfter: new Date(now.getTime() + month),
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1"]),
      new x509.SubjectAlternativeNameExtension(
        identifiers.map(({ type, value }) => ({ type, value })),
      ),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}
