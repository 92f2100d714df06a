/** A private root and a leaf for loopback, made anew for each server. */
import { webcrypto } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";

export interface Tls {
  readonly rootPem: string;
  readonly rootFile: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Writes the root, `tls.pem` and `tls.key` into the folder; the leaf names 127.0.0.1, ::1 and localhost. */
export async function makeTls(folder: string, rootName = "root.pem"): Promise<Tls> {
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const [rootKeys, keys] = await Promise.all([
    webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]),
    webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]),
  ]);
  const notBefore = new Date(Date.now() - 3_600_000);
  const notAfter = new Date(Date.now() + 48 * 3_600_000);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=loopback test root",
    notBefore,
    notAfter,
    keys: rootKeys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  const leaf = await x509.X509CertificateGenerator.create({
    subject: "CN=localhost",
    issuer: root.subject,
    notBefore,
    notAfter,
    publicKey: keys.publicKey,
    signingKey: rootKeys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
        { type: "ip", value: "::1" },
      ]),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ],
  });
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  const keyPem = x509.PemConverter.encode(key, "PRIVATE KEY");
  const tls: Tls = {
    rootPem: root.toString("pem"),
    rootFile: join(folder, rootName),
    certificatePem: leaf.toString("pem"),
    keyPem,
    certificateFile: join(folder, "tls.pem"),
    keyFile: join(folder, "tls.key"),
  };
  await writeFile(tls.rootFile, tls.rootPem);
  await writeFile(tls.certificateFile, tls.certificatePem);
  await writeFile(tls.keyFile, tls.keyPem, { mode: 0o600 });
  return tls;
}
