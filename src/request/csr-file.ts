import type { KeyType } from "../certificate.ts";
import type { Identifier } from "../plugin.ts";
import { readGivenFile } from "./given-file.ts";

export interface GivenCsr {
  /** DER. */
  readonly base64: string;
  readonly identifiers: readonly Identifier[];
  /** Undefined for keys that public CAs reject. */
  readonly keyType: KeyType | undefined;
}

/** A certificate signing request in a PEM or DER file. */
export async function readCsrFile(path: string): Promise<GivenCsr> {
  const bytes = await readGivenFile(path, "The certificate signing request");
  // PowerShell writes UTF-16.
  const utf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  const text = bytes.toString(utf16 ? "utf16le" : "latin1");
  const source = `the CSR ${path}`;
  const isText = /-----BEGIN|^[\sA-Za-z0-9+/=]+$/.test(text);
  // It loads a library for ASN.1, which few commands need.
  const { readCsr, verifyCsr } = await import("../acme/certificate/csr.ts");
  const { der, identifiers, keyType } = readCsr(isText ? text : bytes, source);
  await verifyCsr(der, source);
  return { base64: Buffer.from(der).toString("base64"), identifiers, keyType };
}
