/** All certificates at once. What the index knows to be unchanged is neither checked nor, for a run without work, read again. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { quotedWord } from "../../../options/words.ts";
import { Problem } from "../../../problem.ts";
import { keepHeapSmall } from "../../../small-heap.ts";
import type { BrokenCertificate, ListOptions, Store, StoredCertificate } from "../../store.ts";
import { markOf, openNamesakes, type Marked } from "../../namesakes.ts";
import { hostsIn } from "../../hosts.ts";
import { isSelected } from "../../selection.ts";
import { foldersIn, isCertificateFile, nameIn, recordFile } from "../certificate-record.ts";
import {
  readIndex,
  stampOfAll,
  stampOfVersion,
  writeIndex,
  type Index,
  type VersionStamp,
} from "./index-file.ts";
import { readText } from "../files.ts";
import { certificateFolderName } from "../names.ts";
import { recordIn, type Folder } from "../records.ts";
import { isMeta, versionFiles } from "../versions.ts";

type Read = Store["certificates"]["read"];

export function openListing(
  folder: Folder,
  read: Read,
): Pick<Store["certificates"], "list" | "namesakes" | "recall" | "note"> {
  const { root } = folder;
  const certificates = join(root, "certificates");
  let seen: string | undefined;

  return {
    async *list({ attempts = false, select, mentions } = {}) {
      await folder.check();
      const found =
        mentions === undefined
          ? each(certificates, read, root)
          : mentioning(mentions, certificates, read, root);
      for await (const one of found) if (isWanted(one, select)) yield attempts ? one : brief(one);
    },
    namesakes: openNamesakes(() => marked(folder, certificates)),
    async recall() {
      await folder.check();
      const entries = await foldersIn(certificates);
      seen = stampOfAll(certificates, entries);
      const { note, good } = readIndex(root);
      if (note === undefined || note.stamp !== seen) return undefined;
      const isUnchanged = (entry: string) => {
        const stamp = stampOfVersion(join(certificates, entry));
        return stamp !== undefined && stamp.stamp === good[entry];
      };
      return inTurn(entries).every(isUnchanged) ? note.conclusion : undefined;
    },
    async note(conclusion) {
      if (seen === undefined) return;
      await writeIndex(root, { ...readIndex(root), note: { stamp: seen, conclusion } });
    },
  };
}

/** All certificates. What the index did not know is in it afterwards. */
async function* each(certificates: string, read: Read, root: string) {
  const index = readIndex(root);
  const good: Record<string, unknown> = {};
  const marks: Record<string, unknown> = {};
  const entries = await foldersIn(certificates);
  if (entries.length > many) keepHeapSmall();
  for (const entry of entries) {
    const path = join(certificates, entry);
    const stamp = stampOfVersion(path);
    const one =
      readUnchanged(path, entry, stamp, index.good[entry]) ??
      (await readAnew(path, entry, read, root));
    if (one === undefined) continue;
    if (isGood(one, stamp)) good[entry] = stamp?.stamp;
    Object.assign(marks, markIn(one));
    yield one;
  }
  await update(root, index, { ...index, good, marks });
}

function markIn(one: StoredCertificate | BrokenCertificate): Readonly<Record<string, string>> {
  return "problem" in one ? {} : { [one.name]: markOf(one.request.identifiers) };
}

async function update(root: string, before: Index, after: Index): Promise<void> {
  if (isSame(after.good, before.good) && isSame(after.marks, before.marks)) return;
  await writeIndex(root, after);
}

/** By the index; only what it does not know is read. */
async function* marked({ root, check }: Folder, certificates: string): AsyncGenerator<Marked> {
  await check();
  const index = readIndex(root);
  const marks: Record<string, string> = {};
  const known = new Map(
    Object.entries(index.marks).map(([name, mark]) => [
      certificateFolderName(name),
      { name, mark },
    ]),
  );
  for (const entry of await foldersIn(certificates)) {
    const { name, mark } = known.get(entry) ?? (await readMark(join(certificates, entry), entry));
    if (name === undefined || typeof mark !== "string") continue;
    marks[name] = mark;
    yield { name, mark };
  }
  await update(root, index, { ...index, marks });
}

async function readMark(path: string, entry: string) {
  const name = await nameIn(path, entry);
  const text = await readText(join(path, recordFile)).catch(() => undefined);
  const request = recordIn(text ?? "", isCertificateFile)?.request;
  return { name, mark: request && markOf(request.identifiers) };
}

function brief(one: StoredCertificate | BrokenCertificate) {
  return "problem" in one ? one : withoutAttempt(one);
}

function isWanted(
  one: StoredCertificate | BrokenCertificate,
  select: ListOptions["select"] = [{}],
): boolean {
  return select.some((selection) => isSelected(selection, one));
}

/** Of fewer, what is read takes little memory. */
const many = 300;

/** A version that is in use and whose files were just checked, or none at all. */
function isGood(one: StoredCertificate | BrokenCertificate, stamp: VersionStamp | undefined) {
  if ("problem" in one || one.damage !== undefined) return false;
  return stamp !== undefined && stamp.number === one.held?.version;
}

function isSame(one: Readonly<Record<string, unknown>>, other: Readonly<Record<string, unknown>>) {
  const entries = Object.entries(one);
  return (
    entries.length === Object.keys(other).length &&
    entries.every(([key, value]) => other[key] === value)
  );
}

/** A certificate whose version was found good; undefined if anything about it is unusual: then `read` says what. */
function readUnchanged(
  path: string,
  entry: string,
  stamp: VersionStamp | undefined,
  good: unknown,
): StoredCertificate | undefined {
  const number = stamp?.stamp === good ? stamp?.number : undefined;
  if (number === undefined) return undefined;
  try {
    const record = recordIn(readFileSync(join(path, recordFile), "utf8"), isCertificateFile);
    if (record?.request === undefined) return undefined;
    const { request, status } = record;
    const { name } = request;
    const file = join(path, "versions", `${number}`, versionFiles.meta);
    const meta = recordIn(readFileSync(file, "utf8"), isMeta);
    if (meta === undefined || certificateFolderName(name) !== entry) return undefined;
    const hosts = hostsIn(record.hosts);
    return { name, request, status, held: { version: number, meta }, hosts };
  } catch {
    return undefined;
  }
}

/** Only their records are read, not checked: of most certificates that is all. */
async function* mentioning(
  texts: readonly string[],
  certificates: string,
  read: Read,
  root: string,
): AsyncGenerator<StoredCertificate | BrokenCertificate> {
  const written = texts.map((text) => JSON.stringify(text).slice(1, -1));
  for (const entry of await foldersIn(certificates)) {
    const path = join(certificates, entry);
    const record = (await readText(join(path, recordFile)).catch(() => undefined)) ?? "";
    if (!written.some((text) => record.includes(text))) continue;
    const one = await readAnew(path, entry, read, root);
    if (one !== undefined) yield one;
  }
}

/** Undefined for a folder in which no certificate was asked for yet. */
async function readAnew(
  path: string,
  entry: string,
  read: Read,
  root: string,
): Promise<StoredCertificate | BrokenCertificate | undefined> {
  const name = await nameIn(path, entry);
  if (name === undefined) return undefined;
  try {
    return (await read(name)) ?? { name, problem: recordGone(name, root) };
  } catch (problem) {
    if (!Problem.is(problem)) throw problem;
    return { name, problem };
  }
}

/** Its folder is listed, and has no record. */
function recordGone(name: string, root: string): Problem {
  return new Problem("machine", {
    detail: `${root} has a folder for the certificate ${name}, but no record of it.`,
    hint: `Restore its certificate.json from a backup, or run \`acmectl delete ${quotedWord(name)} --yes --state ${quotedWord(root)}\`.`,
    retryable: false,
  });
}

/** Of ten thousand certificates, these are most of the memory. */
export function withoutAttempt(certificate: StoredCertificate): StoredCertificate {
  const { lastAttempt, ...status } = certificate.status;
  if (lastAttempt === undefined) return certificate;
  const { authorizations: _, earlier: _earlier, ...attempt } = lastAttempt;
  return { ...certificate, status: { ...status, lastAttempt: { ...attempt, events: [] } } };
}

/**
 * The certificates whose files have their turn to be looked at, each hour others. 23 does not divide the hours
 * between the runs of any usual schedule, so that each certificate has its turn within 23 runs.
 */
function inTurn(entries: readonly string[]): readonly string[] {
  const turn = Math.floor(Date.now() / 3_600_000) % turns;
  return entries.filter((_, index) => index % turns === turn);
}

const turns = 23;
