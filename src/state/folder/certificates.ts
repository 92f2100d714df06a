import { basename, dirname, join } from "node:path";
import {
  namesIn,
  readCertificateRecord,
  recordFile,
  rewriteRecord,
  type CertificateFile,
} from "./certificate-record.ts";
import { Problem } from "../../problem.ts";
import {
  attempt,
  readText,
  removedPrefix,
  removeFile,
  removeFolder,
  replaceFile,
  sweep,
  writeDurably,
} from "./files.ts";
import { keepRefused } from "./refused.ts";
import { linkForeign, removeForeign } from "./foreign.ts";
import { openListing } from "./index/listing.ts";
import { certificateFolderName } from "./names.ts";
import { readKey, readRecord, type Folder } from "./records.ts";
import { hostsIn } from "../hosts.ts";
import type {
  CertificateFiles,
  HeldCertificate,
  Lock,
  NewVersion,
  Store,
  StoredCertificate,
} from "../store.ts";
import {
  alternateFile,
  commitVersion,
  currentNumber,
  isMeta,
  numbersIn,
  pruneVersions,
  secondFiles,
  versionFiles,
} from "./versions.ts";
import { refusedIn, wholeVersions } from "./whole-versions.ts";
import { unindexed } from "../unindexed.ts";
import { quotedWord } from "../../options/words.ts";
import { messageOf } from "../../errors.ts";

/** Certificates in `certificates/<name>/`: `certificate.json`, `versions/` and `current`. */
export function openCertificates(folder: Folder): Store["certificates"] {
  const certificates = join(folder.root, "certificates");
  const pathOf = (name: string) => join(certificates, certificateFolderName(name));
  const asHolder = (name: string) => () => folder.assertHeld(`certificate:${name}`);
  const change = (name: string, edit: Edit, write?: typeof replaceFile) =>
    rewriteRecord(pathOf(name), name, folder, edit, write);

  const sweepOnce = sweeper(certificates);
  const read = (name: string) => readStored(pathOf(name), name, folder);
  const names = async () => {
    await folder.check();
    return namesIn(certificates);
  };
  const listing = openListing(folder, read);

  return {
    names,
    read,
    ...unindexed({ list: listing.list, names }),
    ...listing,
    ...heldFiles(pathOf, folder),
    async saveRequest(request) {
      await folder.check();
      await sweepOnce();
      await change(request.name, (record) => ({ ...record, request }));
    },
    async updateStatus(name, edit, { mayBeLost = false } = {}) {
      const write = mayBeLost ? replaceFile : undefined;
      const edited: Edit = (record) => ({ ...record, status: edit(record.status) });
      return (await change(name, edited, write)).status;
    },
    commit: (name, version, lock) => commit(pathOf(name), name, version, lock, folder),
    saveAlternate: (name, version, place, pem) =>
      writeDurably(
        join(pathOf(name), "versions", `${version}`, alternateFile(place)),
        pem,
        asHolder(name),
      ),
    keepRefused: (name, refused) => keepRefused(pathOf(name), asHolder(name), refused, folder),
    ...nextKeys(pathOf, asHolder, folder),
    versions: (name) => wholeVersions(pathOf(name), name, folder),
    refused: (name) => refusedIn(pathOf(name), folder),
    async remove(name) {
      await folder.check();
      await asHolder(name)();
      await removeFolder(pathOf(name));
      await removeForeign(folder.root, certificateFolderName(name));
    },
  };
}

type Edit = (record: CertificateFile) => CertificateFile;

/** Once: `apply` may save ten thousand requests. */
function sweeper(certificates: string): () => Promise<void> {
  let isDone = false;
  return async () => {
    if (!isDone) await attempt("clear", certificates, () => sweep(certificates, removedPrefix));
    isDone = true;
  };
}

type Part<K extends keyof Store["certificates"]> = Pick<Store["certificates"], K>;

function heldFiles(
  pathOf: (name: string) => string,
  folder: Folder,
): Part<"files" | "foreignFiles" | "readPrivateKey" | "readCertificate"> {
  return {
    async files(name, known) {
      const held = known ?? (await readVersion(pathOf(name), name, folder)).held;
      return held && filesOf(pathOf(name), held);
    },
    async foreignFiles(name) {
      const [path, { held }] = [pathOf(name), await readVersion(pathOf(name), name, folder)];
      return held && linkForeign(folder.root, basename(path), held.meta, filesOf(path, held));
    },
    readPrivateKey: (name, second) =>
      readPrivateKey(pathOf(name), filesFor(second).privateKey, name, folder),
    readCertificate: (name, second) => readPems(pathOf(name), filesFor(second), folder),
  };
}

function nextKeys(
  pathOf: (name: string) => string,
  asHolder: (name: string) => () => Promise<void>,
  folder: Folder,
): Part<"readNextKey" | "saveNextKey"> {
  const fileOf = (name: string, keyType: string) => join(pathOf(name), `next-${keyType}.pem`);
  return {
    readNextKey: (name, keyType) => {
      const what = `The next key of the certificate ${name}`;
      return readKey(fileOf(name, keyType), { folder, what });
    },
    async saveNextKey(name, keyType, privateKey) {
      await folder.check();
      const path = fileOf(name, keyType);
      await (privateKey === undefined
        ? removeFile(path, asHolder(name))
        : writeDurably(path, privateKey, asHolder(name)));
    },
  };
}

async function readStored(
  path: string,
  name: string,
  folder: Folder,
): Promise<StoredCertificate | undefined> {
  await folder.check();
  const record = await readCertificateRecord(path, name, folder);
  if (record?.request === undefined) {
    await refuseForgotten(path, name);
    return undefined;
  }
  const { request, status } = record;
  const version = await readVersion(path, name, folder, status.lastSuccess !== undefined);
  return { name, request, status, ...version, hosts: hostsIn(record.hosts) };
}

/** A certificate without its record would expire unnoticed. */
async function refuseForgotten(path: string, name: string): Promise<void> {
  const number = await attempt("read", path, () => currentNumber(path));
  if (number === undefined) return;
  throw new Problem("machine", {
    detail: `${join(path, recordFile)} is missing or has no request, so ${name} cannot be renewed. The certificate is in ${join(path, "versions", `${number}`)}.`,
    hint: `Restore the file from a backup; or run \`acmectl delete ${quotedWord(name)} --yes --state ${quotedWord(dirname(dirname(path)))}\` and issue the certificate again.`,
    retryable: false,
  });
}

async function commit(
  path: string,
  name: string,
  version: NewVersion,
  lock: Lock,
  folder: Folder,
): Promise<HeldCertificate> {
  await folder.check();
  // Refuses a name that shares its folder with another certificate.
  await readCertificateRecord(path, name, folder);
  const number = await commitVersion(path, version, lock, folder.log);
  // What cannot be removed now is removed after the next commit.
  await pruneVersions(path).catch((error: unknown) => folder.log.warn(messageOf(error)));
  return { version: number, meta: version.meta };
}

async function readPrivateKey(path: string, file: string, name: string, folder: Folder) {
  const version = await currentFolder(path, folder);
  if (version === undefined) return undefined;
  const what = `The private key of the certificate ${name}`;
  return readKey(join(version, file), { folder, what });
}

/** Those of the second key, if its type is given. */
const filesFor = (second: string | undefined) =>
  second === undefined ? versionFiles : secondFiles(second);

async function readPems(
  path: string,
  files: { readonly certificate: string; readonly chain: string },
  folder: Folder,
) {
  const version = await currentFolder(path, folder);
  if (version === undefined) return undefined;
  const certificate = await readText(join(version, files.certificate));
  const chain = await readText(join(version, files.chain));
  return certificate === undefined ? undefined : { certificate, chain: chain ?? "" };
}

async function currentFolder(path: string, folder: Folder): Promise<string | undefined> {
  await folder.check();
  const number = await attempt("read", path, () => currentNumber(path));
  return number === undefined ? undefined : join(path, "versions", `${number}`);
}

/** Read once through the link, so that a commit meanwhile cannot mix two versions. */
async function readVersion(
  path: string,
  name: string,
  folder: Folder,
  wasIssued = false,
): Promise<Pick<StoredCertificate, "held" | "damage">> {
  await folder.check();
  const number = await attempt("read", path, () => currentNumber(path));
  if (number === undefined) {
    const isEmpty = (await numbersIn(join(path, "versions"))).length === 0;
    if (!isEmpty) return { damage: `the link ${join(path, "current")} is missing` };
    return { damage: wasIssued ? "all its versions are missing" : undefined };
  }
  const version = join(path, "versions", `${number}`);
  const what = `The file about the certificate ${name}`;
  const reading = { folder, what };
  const meta = await readRecord(join(version, versionFiles.meta), isMeta, reading);
  // A version that the index knows needs no check, and so no OpenSSL.
  const { faultOf } = await import("./fault.ts");
  const fault = await attempt("read", version, () => faultOf(version));
  if (meta === undefined || fault !== undefined) {
    const damage = `${version} cannot be used: ${fault ?? `${versionFiles.meta} is missing`}`;
    folder.log.warn(`${damage}; acmectl will issue ${name} again`);
    return { damage };
  }
  return { held: { version: number, meta } };
}

function filesOf(path: string, { meta }: HeldCertificate): CertificateFiles {
  const at = (file: string) => join(path, "current", file);
  const { privateKey, certificate, chain, fullchain } = versionFiles;
  return {
    privateKey: meta.keyType === "csr" ? undefined : at(privateKey),
    certificate: at(certificate),
    chain: at(chain),
    fullchain: at(fullchain),
    second: meta.second && secondOf(meta.second.keyType, at),
  };
}

function secondOf(keyType: string, at: (file: string) => string): CertificateFiles["second"] {
  const { privateKey, certificate, chain, fullchain } = secondFiles(keyType);
  return {
    privateKey: at(privateKey),
    certificate: at(certificate),
    chain: at(chain),
    fullchain: at(fullchain),
  };
}
