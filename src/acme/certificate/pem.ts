/** The strict reading of PEM that RFC 8555 §11.4 asks for. */

const block = /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+?)-----END CERTIFICATE-----/g;

/**
 * The DER of every certificate in a chain; a text when something else is in it. A block of another kind (a private key,
 * say) makes the whole text unusable.
 */
export function certificatesOf(pem: string): Buffer[] | string {
  const begins = [...pem.matchAll(/-----BEGIN ([^-\r\n]*)-*/g)];
  const other = begins.find(([, label]) => label !== "CERTIFICATE");
  if (other !== undefined) return "it holds a PEM block that is no certificate";
  const found = [...pem.matchAll(block)].map(([, body = ""]) => Buffer.from(body, "base64"));
  if (found.length !== begins.length || found.length === 0) return "its PEM is broken";
  return found;
}

/** DER as one PEM block, lines of 64 characters, a newline at the end. */
export function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
