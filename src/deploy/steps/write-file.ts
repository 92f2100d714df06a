import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { lstat, open, readFile, readlink, rename } from "node:fs/promises";
import type { Stats } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import type { FileAccess } from "../../certificate.ts";
import { Problem } from "../../problem.ts";
import {
  discard,
  ifPresent,
  randomName,
  sweep,
  syncFolder,
  temporaryMark,
} from "../../state/folder/files.ts";
import { searchPath } from "../environment.ts";
import { codeOf, systemReason } from "../../errors.ts";

export interface DeployedFile {
  /** Absolute; a symbolic link stays, and what it leads to is replaced. */
  readonly path: string;
  readonly content: string | Uint8Array;
  /** True when a private key is inside. */
  readonly secret: boolean;
}

/** Ids and mode, found before the first file is touched. */
export interface Access {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly mode?: number | undefined;
}

/** Names to numbers. Rejects with a `deploy` Problem for those that this machine does not know. */
export async function accessOf({ owner, group, mode }: FileAccess): Promise<Access> {
  return {
    uid: owner === undefined ? undefined : await idOf("owner", owner),
    gid: group === undefined ? undefined : await idOf("group", group),
    mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
  };
}

/** A key that only the one who made the CSR has. */
export function noKeyFor(path: string | undefined, hint: string): Problem {
  return new Problem("deploy", {
    detail: `Cannot write ${path}: acmectl does not have the private key, since the certificate was requested with a CSR.`,
    hint,
    retryable: false,
  });
}

const nouns = { owner: "user", group: "group" } as const;

/** The number of a user or group, which may be given as number; asked of the system, so that LDAP's count too. */
async function idOf(kind: "owner" | "group", name: string): Promise<number> {
  if (/^\d{1,10}$/u.test(name)) return Number(name);
  const line = /^[^-\s:][^\s:]*$/u.test(name) ? await lookUp(kind, name) : undefined;
  const id = line?.split(":")[2];
  if (id !== undefined && /^\d+$/u.test(id)) return Number(id);
  throw new Problem("deploy", {
    detail: `The ${nouns[kind]} "${name}" does not exist on this machine.`,
    hint: `Correct \`${kind}\`, create the ${nouns[kind]}, or give a number.`,
  });
}

async function lookUp(kind: "owner" | "group", name: string): Promise<string | undefined> {
  const database = kind === "owner" ? "passwd" : "group";
  const lineIn = (text: string) => text.split("\n").find((line) => line.startsWith(`${name}:`));
  try {
    const env = { PATH: searchPath(undefined) };
    const { stdout } = await promisify(execFile)("getent", [database, name], { env });
    return lineIn(stdout);
  } catch (error) {
    const line = lineIn(await readFile(`/etc/${database}`, "utf8").catch(() => ""));
    if (line !== undefined || isAnswer(error)) return line;
    throw new Problem("deploy", {
      detail: `Cannot look up the ${nouns[kind]} "${name}": ${systemReason(error)}.`,
      hint: `Run \`getent ${database} ${name}\` to find out why, or give a number as \`${kind}\`.`,
      cause: error,
    });
  }
}

/** getent does not know the name (2), or there is no getent (Alpine without it, macOS), where the file has all names. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === 2 || error.code === "ENOENT");
}

/**
 * Replace or make one file in one rename: a reader sees the old or the new one, whole. Owner and group
 * stay as they were unless given. Rejects with a `deploy` Problem, or as `assert` does, which is asked whether it may be changed.
 */
export async function deployFile(
  file: DeployedFile,
  access: Access,
  assert = async () => {},
): Promise<void> {
  try {
    const path = await targetOf(file.path);
    const before = await existing(path);
    const prefix = `.${basename(path)}${temporaryMark}`;
    await assert();
    await sweep(dirname(path), prefix);
    const temporary = join(dirname(path), prefix + randomName());
    try {
      await writeNew(temporary, file, before, access);
      await assert();
      await rename(temporary, path);
    } catch (error) {
      await discard(temporary);
      throw error;
    }
    await syncFolder(dirname(path));
  } catch (error) {
    throw fileProblem(file.path, error);
  }
}

/** The path behind symbolic links, also those of its folders. They must exist: creating one would hide a misspelt path. */
async function targetOf(path: string, links = 0): Promise<string> {
  if (path === dirname(path)) return path;
  const here = join(await targetOf(dirname(path), links), basename(path));
  const link = links > 40 ? undefined : await readlink(here).catch(() => undefined);
  if (link === undefined) return here;
  await refuseForeign(here);
  return targetOf(resolve(dirname(here), link), links + 1);
}

/** A user who may write in the folder could lead us to any file of the machine. */
async function refuseForeign(link: string): Promise<void> {
  const { uid } = await lstat(link);
  if (uid === 0 || uid === process.geteuid?.()) return;
  throw new Problem("deploy", {
    detail: `${link} is a symbolic link of another user (user id ${uid}), so acmectl does not follow it.`,
    hint: "Give the path that it leads to.",
  });
}

async function existing(path: string): Promise<Stats | undefined> {
  const found = await ifPresent(() => lstat(path));
  if (found === undefined || found.isFile()) return found;
  throw new Problem("deploy", {
    detail: `${path} is ${found.isDirectory() ? "a directory" : "not a regular file"}, so acmectl does not replace it.`,
    hint: "Give the path of a file.",
  });
}

async function writeNew(
  temporary: string,
  { content, secret }: DeployedFile,
  before: Stats | undefined,
  { uid, gid, mode }: Access,
): Promise<void> {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const handle = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await handle.writeFile(content);
    const made = await handle.stat();
    const owner = uid ?? before?.uid ?? made.uid;
    const group = gid ?? before?.gid ?? made.gid;
    if (owner !== made.uid || group !== made.gid) {
      const asked = uid !== undefined || gid !== undefined;
      await handle.chown(owner, group).catch((error: unknown) => {
        if (asked) throw error;
      });
    }
    // After chown, which may clear bits; by fchmod, which ignores the umask.
    await handle.chmod(mode ?? usualMode(secret, before, made));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * A key is for its owner, and for its group only if the file before was exactly 0640 and belonged to another group than files
 * that acmectl makes: another mode or the usual group does not show that somebody wanted it.
 */
function usualMode(secret: boolean, before: Stats | undefined, made: Stats): number {
  const isShared = ((before?.mode ?? 0) & 0o777) === 0o640 && before?.gid !== made.gid;
  if (secret) return isShared ? 0o640 : 0o600;
  return before === undefined ? 0o644 : (before.mode & 0o666) | 0o600;
}

function fileProblem(path: string, error: unknown): unknown {
  if (Problem.is(error)) {
    if (error.is("deploy") || error.is("locked")) return error;
    return new Problem("deploy", { detail: `Cannot write ${path}: ${error.message}` });
  }
  const code = codeOf(error);
  if (code === "") return error;
  const hint = hints[code] ?? "Check the folder and its file system.";
  return new Problem("deploy", {
    detail: `Cannot write ${path}: ${systemReason(error)} (${code}).`,
    hint: hint.replaceAll("{folder}", dirname(path)),
    cause: error,
  });
}

const permission =
  "Run acmectl as a user that may write in {folder}; only root may give files to others.";
const hints: Readonly<Record<string, string>> = {
  ENOENT: "Create its folder: mkdir -p {folder}",
  ENOTDIR: "Correct the path.",
  EACCES: permission,
  EPERM: permission,
  EROFS:
    "Allow a scheduled run to write there: acmectl schedule install --writable {folder}; else mount it read-write, or choose another path.",
  ENOSPC: "Free space or inodes (df -h, df -i).",
  EDQUOT: "Free space within the quota.",
};
