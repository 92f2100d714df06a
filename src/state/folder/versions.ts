/**
 * The versions of one certificate: `versions/<n>/` has key, certificate, chain and their facts; `current` is a relative
 * symbolic link to one of them, replaced by one rename, so that every reader sees a key and its own certificate.
 */
import { lstatSync, readlinkSync } from "node:fs";
import { chmod, chown, rename, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { VersionMeta } from "../../certificate.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import { codeOf, messageOf } from "../../errors.ts";
import type { Log } from "../../plugin.ts";
import {
  attempt,
  createFile,
  discard,
  entriesOf,
  ifPresent,
  makeFolder,
  makeTemporaryFolder,
  randomName,
  removedPrefix,
  sweep,
  syncFolder,
  temporaryMark,
} from "./files.ts";
import { recordText } from "./records.ts";
import { fits, metaShape } from "./shape.ts";
import type { Lock, NewVersion } from "../store.ts";

/** The files of a version. */
export const versionFiles = {
  privateKey: "privkey.pem",
  certificate: "cert.pem",
  chain: "chain.pem",
  fullchain: "fullchain.pem",
  properties: "properties.pem",
  meta: "meta.json",
} as const;

/** A form of the certificate that its CA had only later. */
export const alternateFile = (place: number) => `optional-alternate-${place}.pem`;

/** True for the content of `meta.json`. */
export function isMeta(value: unknown): value is VersionMeta {
  return fits(value, metaShape);
}

/** The files of the second key, e.g. `privkey-rsa2048.pem`. */
export function secondFiles(keyType: string) {
  const named = (file: string) => file.replace(".pem", `-${keyType}.pem`);
  const { privateKey, certificate, chain, fullchain } = versionFiles;
  return {
    privateKey: named(privateKey),
    certificate: named(certificate),
    chain: named(chain),
    fullchain: named(fullchain),
  };
}

/** How many versions are kept, the current one among them. */
export const keptVersions = 5;

/** Make a version durable and the current one; returns its number. If anything fails, `current` does not change. */
export async function commitVersion(
  certificate: string,
  version: NewVersion,
  lock: Lock,
  log: Log,
): Promise<number> {
  const versions = join(certificate, "versions");
  return attempt("commit the certificate to", certificate, async () => {
    // What is swept must not be another run's.
    await lock.assertHeld();
    await makeFolder(versions);
    await sweep(versions, temporaryMark);
    await sweep(versions, removedPrefix);
    await sweep(certificate, currentPrefix);
    const before = await currentNumber(certificate);
    // Also above a version that the link points to and that is gone.
    const number = Math.max(before ?? 0, ...(await numbersIn(versions))) + 1;
    const predecessor = before === undefined ? undefined : join(versions, `${before}`);
    const folder = await placeVersion(versions, number, version, { predecessor, log });
    try {
      await linkCurrent(certificate, number, async () => {
        const now = (await currentNumber(certificate)) ?? 0;
        if (now >= number) throw overtaken(certificate, now);
        await lock.assertHeld();
      });
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
    const doomed = numbers.toSorted((a, b) => b - a).slice(keptVersions - 1);
    for (const number of doomed) {
      await rename(join(versions, `${number}`), join(versions, removedPrefix + number));
    }
    await sweep(versions, removedPrefix);
  });
}

/** The number `current` points to; undefined when there is none. */
export async function currentNumber(certificate: string): Promise<number | undefined> {
  const path = join(certificate, "current");
  const target = await ifPresent(() => readlinkSync(path)).catch((error: unknown) => {
    throw codeOf(error) === "EINVAL" ? foreignLink(path, "is not a symbolic link") : error;
  });
  if (target === undefined) return undefined;
  const number = /^versions\/(\d+)$/.exec(target)?.[1];
  if (number === undefined) throw foreignLink(path, `points to ${target}`);
  return Number(number);
}

/** Point `current` to a version in one rename, right after `assert`. */
export async function linkCurrent(
  certificate: string,
  number: number,
  assert = async () => {},
): Promise<void> {
  await syncFolder(join(certificate, "versions"));
  const temporary = join(certificate, currentPrefix + randomName());
  await symlink(`versions/${number}`, temporary);
  try {
    await assert();
    await rename(temporary, join(certificate, "current"));
  } catch (error) {
    await discard(temporary);
    throw error;
  }
  await syncFolder(certificate);
}

const currentPrefix = `.current${temporaryMark}`;

async function placeVersion(
  versions: string,
  number: number,
  version: NewVersion,
  { predecessor, log }: { predecessor: string | undefined; log: Log },
): Promise<string> {
  const temporary = await makeTemporaryFolder(versions, temporaryMark);
  const folder = join(versions, `${number}`);
  try {
    const files = Object.entries(contentsOf(version)).map(async ([name, content]) => {
      if (content !== undefined) await createFile(join(temporary, name), withNewline(content));
    });
    // The folder is removed after a failure, so no file may still be on its way.
    await Promise.allSettled(files);
    await Promise.all(files);
    if (predecessor !== undefined) await inheritAccess(predecessor, temporary, log);
    await syncFolder(temporary);
    await rename(temporary, folder);
  } catch (error) {
    await discard(temporary);
    throw error;
  }
  return folder;
}

/**
 * An administrator may have given the files to a group, so that a server without root can read them: the next version keeps
 * that. A key is never wider than 0640.
 */
async function inheritAccess(from: string, to: string, log: Log): Promise<void> {
  const files = (await entriesOf(to)).filter((name) => name !== versionFiles.meta);
  for (const name of ["", ...files]) {
    const [before, now] = await Promise.all(
      [from, to].map((folder) => accessOf(join(folder, name))),
    );
    if (before === undefined || now === undefined) continue;
    const mode = before.mode & widest(name);
    if (mode === now.mode && before.uid === now.uid && before.gid === now.gid) continue;
    await passOn(join(to, name), { ...before, mode }, log);
    if (name === versionFiles.privateKey) sayInherited(before, mode, log);
  }
}

function widest(name: string): number {
  if (name === "") return 0o755;
  return name.startsWith("privkey") ? 0o640 : 0o644;
}

type Access = Readonly<Record<"uid" | "gid" | "mode", number>>;

async function accessOf(path: string): Promise<Access | undefined> {
  const found = await ifPresent(() => lstatSync(path));
  return found && { uid: found.uid, gid: found.gid, mode: found.mode & 0o777 };
}

/** Without the owner the mode would be for other users than before, so it stays private. */
async function passOn(path: string, { uid, gid, mode }: Access, log: Log): Promise<void> {
  try {
    await chown(path, uid, gid);
    await chmod(path, mode);
  } catch (error) {
    log.warn(
      `the new version could not be given the owner of the previous one: ${messageOf(error)}`,
    );
  }
}

const octal = (mode: number) => `0${mode.toString(8)}`;

function sayInherited({ uid, gid, mode: before }: Access, mode: number, log: Log): void {
  const narrowed =
    before === mode ? "" : ` (it was ${octal(before)}; a key is never wider than 0640)`;
  log.info(
    `the private key keeps the access of the version before: owner ${uid}, group ${gid}, mode ${octal(mode)}${narrowed}`,
    { step: "commit" },
  );
}

function contentsOf({
  privateKey,
  certificate,
  chain,
  alternates = [],
  properties,
  meta,
  second,
}: NewVersion) {
  const others = alternates.map((pem, index) => [`alternate-${index + 1}.pem`, pem] as const);
  return {
    ...Object.fromEntries(others),
    ...(second === undefined || meta.second === undefined
      ? {}
      : secondContents(second, secondFiles(meta.second.keyType))),
    [versionFiles.properties]: properties,
    [versionFiles.privateKey]: privateKey,
    [versionFiles.certificate]: certificate,
    [versionFiles.chain]: chain,
    [versionFiles.fullchain]: withNewline(certificate) + chain,
    [versionFiles.meta]: recordText(meta),
  };
}

function secondContents(
  { privateKey, certificate, chain }: NonNullable<NewVersion["second"]>,
  files: ReturnType<typeof secondFiles>,
) {
  return {
    [files.privateKey]: privateKey,
    [files.certificate]: certificate,
    [files.chain]: chain,
    [files.fullchain]: withNewline(certificate) + chain,
  };
}

export function withNewline(pem: string): string {
  return pem === "" || pem.endsWith("\n") ? pem : `${pem}\n`;
}

/** The numbers of the versions in a folder. */
export async function numbersIn(versions: string): Promise<readonly number[]> {
  return (await entriesOf(versions)).filter((entry) => /^\d+$/.test(entry)).map(Number);
}

function foreignLink(path: string, how: string): Problem {
  return new Problem("machine", {
    detail: `${path} ${how}; it must be a symbolic link to one of the versions beside it.`,
    hint: `Repair it (links are lost when a folder is copied without them): acmectl state check --repair --state ${quotedWord(dirname(dirname(dirname(path))))}`,
    retryable: false,
  });
}

function overtaken(certificate: string, number: number): Problem {
  return new Problem("locked", {
    detail: `Another run has committed version ${number} to ${certificate}; this run changes nothing.`,
    hint: "Run again: a good certificate is kept.",
  });
}
