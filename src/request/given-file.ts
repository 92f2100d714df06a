import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { systemReason } from "../errors.ts";
import type { CertificateRequest, CopySetting, KeyType } from "../certificate.ts";
import type { Identifier } from "../plugin.ts";
import { Problem } from "../problem.ts";

/** A file that the user gives. `named` is what it is, for the Problem when it cannot be read. */
export async function readGivenFile(path: string, named: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new Problem("usage", {
      detail: `${named} ${path} cannot be read: ${systemReason(cause)}.`,
      hint: "Give the path of a file that this user may read.",
      cause,
    });
  }
}

/** The folders that copies and key stores of a certificate are written to. */
export function writtenFolders({
  outputs,
  hooks: { deploy = [] },
}: Pick<CertificateRequest, "outputs" | "hooks">): readonly string[] {
  const stores = deploy.flatMap((step) => ("pkcs12" in step ? [step.pkcs12.path] : []));
  const copies = deploy.flatMap((step) => ("copy" in step ? [step.copy] : []));
  const all: readonly CopySetting[] = [outputs, ...copies];
  const paths = all.flatMap((one) => [one.fullchain, one.key, one.cert, one.chain, one.combined]);
  const given = [...paths, ...stores].filter((path) => path !== undefined);
  return [...new Set(given.map((path) => dirname(path)))];
}

/** Before a first order: a missing folder is found now, unless a pre hook may still create it. */
export async function assertFolders(request: CertificateRequest): Promise<void> {
  if ((request.hooks.pre ?? []).length > 0) return;
  for (const folder of writtenFolders(request)) await assertFolder(folder, request.name);
}

/** The folder of a file that is written later. `named` is the option, for the Problem when it does not exist. */
export async function assertFolderOf(path: string, named: string): Promise<void> {
  await assertFolder(dirname(path), named);
}

async function assertFolder(folder: string, named: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new Problem("usage", {
    detail: `${named}: the folder ${folder} ${found === undefined ? "does not exist" : "is not a directory"}.`,
    hint: `Create it: mkdir -p ${folder}`,
  });
}

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
