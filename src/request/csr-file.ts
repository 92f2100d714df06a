import { readCsr, verifyCsr } from "../acme/certificate/csr.ts";
import type { Identifier } from "../plugin.ts";
import { readGivenFile } from "./given-file.ts";

export interface GivenCsr {
  /** DER. */
  readonly base64: string;
  readonly identifiers: readonly Identifier[];
}

/** A certificate signing request in a PEM or DER file. */
export async function readCsrFile(path: string): Promise<GivenCsr> {
  const bytes = await readGivenFile(path, "The certificate signing request");
  const text = bytes.toString("latin1");
  const { der, identifiers } = readCsr(
    text.includes("-----BEGIN") ? text : bytes,
    `the CSR ${path}`,
  );
  await verifyCsr(der, `the CSR ${path}`);
  return { base64: Buffer.from(der).toString("base64"), identifiers };
}
