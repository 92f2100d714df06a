/**
 * The versions of one certificate: `versions/<n>/` has key, certificate, chain and their facts; `current` is a relative
 * symbolic link to one of them, replaced by one rename, so that every reader sees a key and its own certificate.
 */
import { readlink, rename, stat, symlink } from "node:fs/promises";
import { join } from "node:path";

import { Problem } from "../../problem.ts";
import { codeOf } from "../../errors.ts";
import {
  attempt,
  createFile,
  discard,
  entriesOf,
  isMissing,
  makeFolder,
  makeTemporaryFolder,
  randomName,
  removedPrefix,
  sweep,
  syncFolder,
  temporaryMark,
} from "./files.ts";
import { recordText } from "./records.ts";
import type { Lock, NewVersion } from "../store.ts";

/** The files of a version. */
export const versionFiles = {
  privateKey: "privkey.pem",
  certificate: "cert.pem",
  chain: "chain.pem",
  fullchain: "fullchain.pem",
  meta: "meta.json",
} as const;

/** How many versions are kept, the current one among them. */
const kept = 5;

/** Make a version durable and the current one; returns its number. If anything fails, `current` does not change. */
export async function commitVersion(
  certificate: string,
  version: NewVersion,
  lock: Lock,
): Promise<number> {
  const versions = join(certificate, "versions");
  return attempt("commit the certificate to", certificate, async () => {
    await makeFolder(versions);
    await sweep(versions, temporaryMark);
    await sweep(versions, removedPrefix);
    await sweep(certificate, currentPrefix);
    const number = Math.max(0, ...(await numbersIn(versions))) + 1;
    const folder = await placeVersion(versions, number, version);
    try {
      await makeCurrent(certificate, number, lock);
    } catch (error) {
      // Unless the link points to it already and only the fsync failed.
      if ((await currentNumber(certificate)) !== number) await discard(folder);
      throw error;
    }
    return number;
  });
}

/** Remove all versions but the last few and the current one. */
export async function pruneVersions(certificate: string): Promise<void> {
  const versions = join(certificate, "versions");
  await attempt("remove old versions in", versions, async () => {
    const current = await currentNumber(certificate);
    const numbers = (await numbersIn(versions)).filter((number) => number !== current);
    const doomed = numbers.toSorted((a, b) => b - a).slice(kept - 1);
    for (const number of doomed) {
      await rename(join(versions, `${number}`), join(versions, removedPrefix + number));
    }
    await sweep(versions, removedPrefix);
  });
}

/** The number `current` points to; undefined when there is none. */
export async function currentNumber(certificate: string): Promise<number | undefined> {
  const path = join(certificate, "current");
  try {
    const target = await readlink(path);
    const number = /^versions\/(\d+)$/.exec(target)?.[1];
    if (number === undefined) throw foreignLink(path, `points to ${target}`);
    return Number(number);
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (codeOf(error) === "EINVAL") throw foreignLink(path, "is not a symbolic link");
    throw error;
  }
}

/** The files of a version that are missing or empty. */
export async function brokenFiles(folder: string, withKey: boolean): Promise<readonly string[]> {
  const { privateKey, certificate, chain: _, fullchain, meta: __ } = versionFiles;
  const wanted = [certificate, fullchain, ...(withKey ? [privateKey] : [])];
  const sizes = await Promise.all(wanted.map((file) => sizeOf(join(folder, file))));
  return wanted.filter((_, index) => sizes[index] === 0);
}

const currentPrefix = `.current${temporaryMark}`;

async function placeVersion(
  versions: string,
  number: number,
  version: NewVersion,
): Promise<string> {
  const temporary = await makeTemporaryFolder(versions, temporaryMark);
  const folder = join(versions, `${number}`);
  try {
    for (const [name, content] of contentsOf(version)) {
      await createFile(join(temporary, name), content);
    }
    await syncFolder(temporary);
    await rename(temporary, folder);
  } catch (error) {
    await discard(temporary);
    throw error;
  }
  return folder;
}

function contentsOf(version: NewVersion): readonly (readonly [name: string, content: string])[] {
  const { privateKey, certificate, chain, meta } = version;
  const files: [string, string][] = [
    [versionFiles.certificate, withNewline(certificate)],
    [versionFiles.chain, withNewline(chain)],
    [versionFiles.fullchain, withNewline(certificate) + withNewline(chain)],
    [versionFiles.meta, recordText(meta)],
  ];
  if (privateKey !== undefined) files.unshift([versionFiles.privateKey, withNewline(privateKey)]);
  return files;
}

function withNewline(pem: string): string {
  return pem === "" || pem.endsWith("\n") ? pem : `${pem}\n`;
}

async function makeCurrent(certificate: string, number: number, lock: Lock): Promise<void> {
  await syncFolder(join(certificate, "versions"));
  const temporary = join(certificate, currentPrefix + randomName());
  await symlink(`versions/${number}`, temporary);
  try {
    const before = (await currentNumber(certificate)) ?? 0;
    if (before >= number) throw overtaken(certificate, before);
    await lock.assertHeld();
    await rename(temporary, join(certificate, "current"));
  } catch (error) {
    await discard(temporary);
    throw error;
  }
  await syncFolder(certificate);
}

async function numbersIn(versions: string): Promise<readonly number[]> {
  return (await entriesOf(versions)).filter((entry) => /^\d+$/.test(entry)).map(Number);
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

function foreignLink(path: string, how: string): Problem {
  return new Problem("machine", {
    detail: `${path} ${how}; it must be a symbolic link to one of the versions beside it.`,
    hint: `If the folder was copied without its links, point it to the newest version: ln -sfn versions/<n> ${path}`,
    retryable: false,
  });
}

function overtaken(certificate: string, number: number): Problem {
  return new Problem("locked", {
    detail: `Another run has committed version ${number} to ${certificate}; this run changes nothing.`,
    hint: "Run again: a good certificate is kept.",
  });
}
