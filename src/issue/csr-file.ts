import { readFile } from "node:fs/promises";
import { readCsr } from "../acme/csr.ts";
import type { Identifier } from "../plugin.ts";
import { Problem } from "../problem.ts";

export interface GivenCsr {
  /** DER. */
  readonly base64: string;
  readonly identifiers: readonly Identifier[];
}

/** A certificate signing request in a PEM or DER file. */
export async function readCsrFile(path: string): Promise<GivenCsr> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new Problem("usage", {
      detail: `The certificate signing request ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      hint: "Give the path of a PEM or DER file that this user may read.",
      cause: error,
    });
  });
  const text = bytes.toString("latin1");
  const { der, identifiers } = readCsr(
    text.includes("-----BEGIN") ? text : bytes,
    `the CSR ${path}`,
  );
  return { base64: Buffer.from(der).toString("base64"), identifiers };
}
