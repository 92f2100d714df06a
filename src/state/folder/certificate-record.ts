import { join } from "node:path";

import type { CertificateRequest } from "../../certificate.ts";
import { entriesOf, readText } from "./files.ts";
import type { Folder } from "./folder.ts";
import { refuseClash } from "./names.ts";
import {
  hasStrings,
  isObject,
  parseObject,
  readRecord,
  refuseMovedAside,
  writeRecord,
} from "./records.ts";
import type { CertificateStatus } from "../store.ts";

/** What `certificate.json` holds; a status may come before the request is remembered. */
export interface CertificateFile {
  request?: CertificateRequest;
  status: CertificateStatus;
}

/** What is wanted and how it went, in a certificate's folder. */
export const recordFile = "certificate.json";

/** The record of the certificate `name`, which lives in `path`; undefined when there is none. */
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

/** Read, change and write the record. Callers see to it that nobody else does so meanwhile. */
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

/** The name as it is written in the record; that of the folder when the record is broken, for `read` to say so. */
async function nameIn(path: string, entry: string): Promise<string | undefined> {
  const text = await readText(join(path, recordFile));
  const record = parseObject(text ?? "");
  // A status alone, before anything was wanted; unless something is held already, which `read` tells.
  if (record !== undefined && record["request"] === undefined && !(await isHeld(path)))
    return undefined;
  const request = record?.["request"];
  if (isObject(request) && typeof request["name"] === "string") return request["name"];
  return entry.replace(/^_\./, "*.");
}

async function isHeld(path: string): Promise<boolean> {
  return (await entriesOf(path)).includes("current");
}

function isCertificateFile(value: unknown): value is CertificateFile {
  if (!isObject(value)) return false;
  const { request, status } = value;
  return (
    isObject(status) &&
    Number.isSafeInteger(status["failures"]) &&
    (request === undefined || isRequest(request))
  );
}

function isRequest(value: unknown): boolean {
  return (
    isObject(value) &&
    hasStrings(value, ["name", "keyType"]) &&
    Array.isArray(value["identifiers"]) &&
    Array.isArray(value["solvers"]) &&
    [value["issuer"], value["labels"], value["outputs"], value["hooks"]].every(isObject)
  );
}
