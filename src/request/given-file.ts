import { readFile, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { codeOf, systemReason } from "../errors.ts";
import { createAccountKey, readPrivateKey } from "../acme/keys.ts";
import type { CertificateRequest, CopySetting, KeyType } from "../certificate.ts";
import type { Identifier } from "../plugin.ts";
import { quotedWord } from "../options/words.ts";
import { Problem } from "../problem.ts";
import type { Store } from "../state/store.ts";

/** A file that the user gives. `named` is what it is, for the Problem when it cannot be read. */
export async function readGivenFile(path: string, named: string): Promise<Buffer> {
  // Shown in a message, a key would be in every log.
  if (/\n|-----BEGIN /.test(path))
    throw new Problem("usage", {
      detail: `${named} must be the path of a file, and a text was given.`,
      hint: "Write the text to a file, and give its path.",
    });
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

/** A file that is written with a certificate, and what goes into it. */
interface WrittenFile {
  readonly path: string;
  readonly content: string;
}

type Written = Pick<CertificateRequest, "outputs" | "hooks">;

function writtenFiles({ outputs, hooks: { deploy = [] } }: Written): readonly WrittenFile[] {
  const stores = deploy
    .flatMap((step) => ("pkcs12" in step ? [step.pkcs12] : []))
    .map((store) => ({ path: store.path, content: `pkcs12 ${JSON.stringify(store)}` }));
  const copies = deploy.flatMap((step) => ("copy" in step ? [step.copy] : []));
  const contents = ["fullchain", "key", "cert", "chain", "combined"] as const;
  const files = [outputs, ...copies].flatMap((one: CopySetting) =>
    contents.flatMap((content) => {
      const path = one[content];
      return path === undefined ? [] : [{ path, content }];
    }),
  );
  return [...files, ...stores];
}

/** The folders that copies and key stores of a certificate are written to. */
export function writtenFolders(request: Written): readonly string[] {
  return [...new Set(writtenFiles(request).map(({ path }) => dirname(path)))];
}

/** Each file would replace the one before, and a key could be lost. */
export function refuseSharedPath(request: Written, place: string): void {
  const files = writtenFiles(request).map((file) => ({ ...file, path: resolve(file.path) }));
  for (const { path, content } of files) {
    const other = files.find((one) => one.path === path && one.content !== content);
    if (other === undefined) continue;
    const [first, second] = [content, other.content].map((text) => text.split(" ", 1)[0]);
    throw new Problem("usage", {
      detail: `${place}: ${first === second ? `two ${first} files` : `${first} and ${second}`} would both be written to ${path}.`,
      hint: "Give each its own path. A file with certificate, chain and key is the deploy step `copy: { combined: PATH }` of the config file.",
    });
  }
}

/** Each renewal of one certificate would replace what the other has written. */
export async function refuseTakenPath(
  request: CertificateRequest,
  { certificates }: Pick<Store, "certificates">,
): Promise<void> {
  const paths = new Set(writtenFiles(request).map((file) => resolve(file.path)));
  if (paths.size === 0) return;
  for await (const other of certificates.list({ mentions: [...paths] })) {
    if (other.name === request.name || !("request" in other)) continue;
    const taken = writtenFiles(other.request).find((file) => paths.has(resolve(file.path)));
    if (taken === undefined) continue;
    throw new Problem("usage", {
      detail: `${request.name}: ${taken.path} is already written with the certificate ${other.name}.`,
      hint: `Give another path. If ${other.name} is not needed any more, remove it: acmectl delete ${quotedWord(other.name)}`,
    });
  }
}

/** A sentence for each file that several of the certificates are written to. */
export function sharedFiles(requests: readonly CertificateRequest[]): readonly string[] {
  const owners = new Map<string, Set<string>>();
  for (const request of requests)
    for (const { path } of writtenFiles(request))
      owners.set(path, (owners.get(path) ?? new Set()).add(request.name));
  return [...owners].flatMap(([path, names]) =>
    names.size < 2
      ? []
      : [`${path} is written with several certificates: ${[...names].join(", ")}.`],
  );
}

/** Before a first order: what cannot be written later is found now, unless a pre hook may still create the folder. */
export async function assertTargets(request: CertificateRequest): Promise<void> {
  const { name, hooks } = request;
  for (const { path } of writtenFiles(request)) {
    if ((hooks.pre ?? []).length === 0) await assertFolder(dirname(path), name);
    await assertReplaceable(path, name);
  }
}

/** A file that is written later, and its folder. `named` is the option, for the Problem. */
export async function assertTarget(path: string, named: string): Promise<void> {
  await assertFolder(dirname(path), named);
  await assertReplaceable(path, named);
}

async function assertReplaceable(path: string, named: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.isFile()) return;
  throw new Problem("usage", {
    detail: `${named}: ${path} is ${found.isDirectory() ? "a directory" : "not a regular file"}, so acmectl does not replace it.`,
    hint: "Give the path of a file.",
  });
}

async function assertFolder(folder: string, named: string): Promise<void> {
  const fault = await stat(folder).then(
    (found) => (found.isDirectory() ? undefined : "is not a directory"),
    (error: unknown) =>
      codeOf(error) === "ENOENT" ? missing : `cannot be used: ${systemReason(error)}`,
  );
  if (fault === undefined) return;
  throw new Problem("usage", {
    detail: `${named}: the folder ${folder} ${fault}.`,
    hint:
      fault === missing
        ? `Create it: mkdir -p ${quotedWord(folder)}`
        : "Correct the path, or let this user use that folder.",
  });
}

const missing = "does not exist";

/** A private key of the user's, as PKCS#8 PEM with its type. */
export async function readKeyFile(path: string): Promise<{ pem: string; type: KeyType }> {
  const pem = await readGivenFile(path, "The private key");
  return readPrivateKey(pem.toString("latin1"), `the private key ${path}`);
}

/** A new key for an account: the file's, or one that is made now and kept there. */
export async function readNewKey(path: string): Promise<string> {
  try {
    await writeFile(path, await createAccountKey(), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") {
      throw new Problem("usage", {
        detail: `The new key ${path} cannot be written: ${systemReason(error)}.`,
        hint: "Give the path of a file in a folder that this user may write to.",
        cause: error,
      });
    }
  }
  return (await readKeyFile(path)).pem;
}

export interface GivenCsr {
  /** DER. */
  readonly base64: string;
  readonly identifiers: readonly Identifier[];
  /** Undefined for keys that public CAs reject. */
  readonly keyType: KeyType | undefined;
}

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
