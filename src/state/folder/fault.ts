import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import { isRecord } from "../../json.ts";
import { readText } from "./files.ts";
import { parseObject } from "./records.ts";
import { versionFiles } from "./versions.ts";

/**
 * What is wrong with a version: missing or empty files, a key or chain of another certificate, or a `meta.json` with other
 * facts; undefined for a good one. Checked whenever a version is relied on, since files can be copied and restored by hand.
 */
export async function faultOf(folder: string): Promise<string | undefined> {
  const { privateKey, certificate, chain, fullchain, meta } = versionFiles;
  const facts = parseObject((await readText(join(folder, meta))) ?? "");
  if (facts === undefined) return `${meta} is missing or broken`;
  const withKey = facts["keyType"] !== "csr";
  const names = [certificate, fullchain, ...(withKey ? [privateKey] : [])];
  const texts = await Promise.all(names.map((name) => readText(join(folder, name))));
  const empty = names.filter((_, index) => (texts[index] ?? "") === "");
  if (empty.length > 0) return `${empty.join(", ")} missing or empty`;
  const [leafPem = "", fullPem = "", keyPem] = texts;
  const chainPem = (await readText(join(folder, chain))) ?? "";
  return faultIn(facts, { leafPem, chainPem, fullPem, keyPem });
}

/** The same of contents that were read already. */
export function faultIn(facts: Facts, files: Files): string | undefined {
  try {
    const leaf = new X509Certificate(files.leafPem);
    return wrongFact(leaf, facts) ?? wrongFiles(leaf, files);
  } catch (error) {
    return `its key or certificate cannot be read: ${messageOf(error)}`;
  }
}

type Facts = Readonly<Record<string, unknown>>;

/** What is kept about a certificate and decides when it is renewed: its dates and names. */
function wrongFact(leaf: X509Certificate, facts: Facts): string | undefined {
  const { meta, certificate } = versionFiles;
  if (leaf.fingerprint256.replaceAll(":", "").toLowerCase() !== facts["fingerprint"])
    return `${meta} is about another certificate than ${certificate}`;
  if (!isTime(facts["notBefore"], leaf.validFrom) || !isTime(facts["notAfter"], leaf.validTo))
    return `${meta} has other dates than ${certificate}`;
  const added = Array.isArray(facts["added"]) ? facts["added"] : [];
  return hasNames(leaf, facts["identifiers"], added)
    ? undefined
    : `${meta} has other names than ${certificate}`;
}

function isTime(kept: unknown, time: string): boolean {
  return typeof kept === "string" && new Date(kept).getTime() === new Date(time).getTime();
}

function hasNames(leaf: X509Certificate, identifiers: unknown, added: readonly unknown[]): boolean {
  if (leaf.subjectAltName === undefined || !Array.isArray(identifiers)) return true;
  const all: readonly unknown[] = [...identifiers, ...added];
  const kept = all.flatMap((one) => (isRecord(one) ? [String(one["value"])] : []));
  const names = leaf.subjectAltName
    .split(", ")
    .flatMap((name) => (name.startsWith("DNS:") ? [name.slice(4).toLowerCase()] : []));
  return (
    names.every((name) => kept.includes(name)) &&
    kept.every((name) => names.includes(name) || leaf.checkIP(name) !== undefined)
  );
}

interface Files {
  readonly leafPem: string;
  readonly chainPem: string;
  readonly fullPem: string;
  /** Undefined for a certificate from a CSR. */
  readonly keyPem: string | undefined;
}

function wrongFiles(leaf: X509Certificate, files: Files): string | undefined {
  const { privateKey, certificate, chain, fullchain } = versionFiles;
  const { leafPem, chainPem, fullPem, keyPem } = files;
  if (fullPem !== leafPem + chainPem)
    return leaf.raw.equals(new X509Certificate(fullPem).raw)
      ? `${fullchain} is not ${certificate} followed by ${chain}`
      : `${fullchain} and ${certificate} are different certificates`;
  if (keyPem !== undefined && !leaf.checkPrivateKey(createPrivateKey(keyPem)))
    return `${privateKey} is not the key of ${certificate}`;
  return undefined;
}
