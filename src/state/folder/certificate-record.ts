import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { CertificateRequest } from "../../certificate.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import { entriesOf, readText, type replaceFile } from "./files.ts";
import { certificateFolderName, refuseClash } from "./names.ts";
import { isRecord } from "../../json.ts";
import { parseObject, readRecord, refuseMovedAside, writeRecord, type Folder } from "./records.ts";
import type { CertificateStatus } from "../certificate-status.ts";
import { certificateShape, fits } from "./shape.ts";

/** `certificate.json`; a status may be written before the request is. */
export interface CertificateFile {
  request?: CertificateRequest | undefined;
  status: CertificateStatus;
  /** By host. */
  hosts?: Readonly<Record<string, unknown>> | undefined;
}

export const recordFile = "certificate.json";

/** The record of the certificate `name` in the folder `path`; undefined when there is none. */
export async function readCertificateRecord(
  path: string,
  name: string,
  folder: Folder,
): Promise<CertificateFile | undefined> {
  const file = join(path, recordFile);
  const reading = { folder, what: `The record of the certificate ${name}` };
  const record = await readRecord(file, isCertificateFile, reading);
  if (record === undefined) await refuseMovedAside(file, reading);
  else if (record.request !== undefined) await refuseOther(path, record.request.name, name);
  return record;
}

/** Read, change and write the record, unless it stays the same. A run that lost the certificate's lock changes nothing. */
export function rewriteRecord(
  path: string,
  name: string,
  folder: Folder,
  edit: (record: CertificateFile) => CertificateFile,
  write?: typeof replaceFile,
): Promise<CertificateFile> {
  const lock = `certificate-record:${basename(path)}`;
  return folder.exclusively(lock, async () => {
    const record = await readCertificateRecord(path, name, folder);
    const changed = edit(record ?? { status: { failures: 0 } });
    if (JSON.stringify(changed) !== JSON.stringify(record))
      await writeRecord(
        join(path, recordFile),
        changed,
        () => folder.assertHeld(lock, `certificate:${name}`),
        write,
      );
    return changed;
  });
}

/** The name in the record of a certificate's folder; undefined when there is none or it is broken. */
export async function nameOfRecord(path: string): Promise<string | undefined> {
  const request = parseObject((await readText(join(path, recordFile))) ?? "")?.["request"];
  return isRecord(request) && typeof request["name"] === "string" ? request["name"] : undefined;
}

/** The folders in the folder `certificates`. */
export async function foldersIn(certificates: string): Promise<readonly string[]> {
  return (await entriesOf(certificates)).filter((entry) => !entry.startsWith("."));
}

/** The names of all certificates in the folder `certificates`. */
export async function namesIn(certificates: string): Promise<readonly string[]> {
  const entries = await foldersIn(certificates);
  const names = await Promise.all(entries.map((entry) => nameIn(join(certificates, entry), entry)));
  return names.filter((name) => name !== undefined);
}

/** A run that was killed during its first write leaves a folder with nothing in it, or with a temporary file. */
async function isEmptyFolder(path: string): Promise<boolean> {
  const entries = await readdir(path).catch(() => undefined);
  return entries?.every((entry) => entry.startsWith(".")) === true;
}

/** The name in the record, or the folder's when the record is broken: `read` reports that. */
export async function nameIn(path: string, entry: string): Promise<string | undefined> {
  const text = await readText(join(path, recordFile));
  if (text === undefined && (await isEmptyFolder(path))) return undefined;
  const record = parseObject(text ?? "");
  // Only a status was written so far; but if a certificate is held, `read` reports the missing request.
  if (record !== undefined && record["request"] === undefined && !(await isHeld(path)))
    return undefined;
  const name = await nameOfRecord(path);
  // A folder that was renamed by hand is listed by its new name, and `read` reports it.
  if (name !== undefined && certificateFolderName(name) === entry) return name;
  return entry.replace(/^_\./, "*.");
}

async function refuseOther(path: string, recorded: string, asked: string): Promise<void> {
  if (recorded === asked) return;
  if (certificateFolderName(recorded) === certificateFolderName(asked))
    refuseClash(path, recorded, asked);
  const right = join(dirname(path), certificateFolderName(recorded));
  if ((await entriesOf(right)).length > 0)
    throw new Problem("machine", {
      detail: `${path} is a copy of the folder of the certificate ${recorded}.`,
      hint: `Move it out of the state folder: ${right} has the same certificate.`,
      retryable: false,
    });
  throw new Problem("machine", {
    detail: `${path} is the folder of the certificate ${recorded}, renamed by hand, so ${recorded} is not renewed.`,
    hint: `Rename it back: acmectl state check --repair --state ${quotedWord(dirname(dirname(path)))}`,
    retryable: false,
  });
}

async function isHeld(path: string): Promise<boolean> {
  return (await entriesOf(path)).includes("current");
}

export function isCertificateFile(value: unknown): value is CertificateFile {
  return fits(value, certificateShape);
}
