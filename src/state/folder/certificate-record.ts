import { join } from "node:path";

import type { CertificateRequest } from "../../certificate.ts";
import { entriesOf, readText } from "./files.ts";
import type { Folder } from "./folder.ts";
import { refuseClash } from "./names.ts";
import { isRecord } from "../../json.ts";
import { hasStrings, parseObject, readRecord, refuseMovedAside, writeRecord } from "./records.ts";
import type { CertificateStatus } from "../store.ts";

/** `certificate.json`; a status may be written before the request is. */
export interface CertificateFile {
  request?: CertificateRequest | undefined;
  status: CertificateStatus;
}

export const recordFile = "certificate.json";

/** The record of the certificate `name` in the folder `path`; undefined when there is none. */
export async function readCertificateRecord(
  path: string,
  name: string,
  { clock }: Folder,
): Promise<CertificateFile | undefined> {
  const file = join(path, recordFile);
  const reading = { clock, what: `The record of the certificate ${name}` };
  const record = await readRecord(file, isCertificateFile, reading);
  if (record === undefined) await refuseMovedAside(file, reading);
  else if (record.request !== undefined) refuseClash(path, record.request.name, name);
  return record;
}

/** Read, change and write the record. Callers hold its lock. */
export async function rewriteRecord(
  path: string,
  name: string,
  folder: Folder,
  edit: (record: CertificateFile) => CertificateFile,
): Promise<CertificateFile> {
  const record = (await readCertificateRecord(path, name, folder)) ?? { status: { failures: 0 } };
  const changed = edit(record);
  await writeRecord(join(path, recordFile), changed);
  return changed;
}

/** The names of all certificates in the folder `certificates`. */
export async function namesIn(certificates: string): Promise<readonly string[]> {
  const entries = (await entriesOf(certificates)).filter((entry) => !entry.startsWith("."));
  const names = await Promise.all(entries.map((entry) => nameIn(join(certificates, entry), entry)));
  return names.filter((name) => name !== undefined);
}

/** The name in the record, or the folder's when the record is broken: `read` reports that. */
async function nameIn(path: string, entry: string): Promise<string | undefined> {
  const text = await readText(join(path, recordFile));
  const record = parseObject(text ?? "");
  // Only a status was written so far; but if a certificate is held, `read` reports the missing request.
  if (record !== undefined && record["request"] === undefined && !(await isHeld(path)))
    return undefined;
  const request = record?.["request"];
  if (isRecord(request) && typeof request["name"] === "string") return request["name"];
  return entry.replace(/^_\./, "*.");
}

async function isHeld(path: string): Promise<boolean> {
  return (await entriesOf(path)).includes("current");
}

function isCertificateFile(value: unknown): value is CertificateFile {
  if (!isRecord(value)) return false;
  const { request, status } = value;
  return (
    isRecord(status) &&
    Number.isSafeInteger(status["failures"]) &&
    (request === undefined || isRequest(request))
  );
}

function isRequest(value: unknown): boolean {
  return (
    hasStrings(value, ["name", "keyType"]) &&
    Array.isArray(value["identifiers"]) &&
    Array.isArray(value["solvers"]) &&
    [value["issuer"], value["labels"], value["outputs"], value["hooks"]].every(isRecord)
  );
}
