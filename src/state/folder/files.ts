/**
 * Durable files: a write is complete or did not happen, even when the process is killed. An explicit chmod sets 0600 and 0700,
 * since the umask changes the modes given to `open` and `mkdir`.
 */
import { randomBytes } from "node:crypto";
import { constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { codeOf, messageOf, systemReason } from "../../errors.ts";
import { Problem } from "../../problem.ts";

/**
 * Replace or make one file: temporary file, chmod, write, fsync, rename, fsync of the folder. Temporary files that a killed
 * run left for the same name are removed, so callers write one name one at a time. `assert` rejects if they may not.
 */
export async function writeDurably(
  path: string,
  content: string,
  assert?: () => Promise<void>,
): Promise<void> {
  await attempt("write", path, async () => {
    await replaceFile(path, content, assert);
    await syncFolder(dirname(path));
  });
}

/** The same, but a loss of power may bring the file before back. It is never half-written. */
export async function replaceFile(
  path: string,
  content: string,
  assert = async () => {},
): Promise<void> {
  await attempt("write", path, async () => {
    const folder = dirname(path);
    const prefix = `.${basename(path)}${temporaryMark}`;
    await assert();
    await makeFolder(folder);
    await sweep(folder, prefix);
    const temporary = join(folder, prefix + randomName());
    try {
      await createFile(temporary, content);
      await assert();
      await rename(temporary, path);
    } catch (error) {
      await discard(temporary);
      throw error;
    }
  });
}

/** Make a file that must not exist (EEXIST), mode 0600, and sync it; never through a symbolic link. The caller syncs the folder. */
export async function createFile(path: string, content: string | Uint8Array): Promise<void> {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Make a folder and those above it that are missing, each 0700 and synced into its parent. */
export async function makeFolder(path: string): Promise<void> {
  if (existsSync(path)) return;
  try {
    await makeOneFolder(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    await makeFolder(dirname(path));
    await makeOneFolder(path);
  }
}

async function makeOneFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    throw error;
  }
  await chmod(path, 0o700);
  await syncFolder(dirname(path));
}

/** Make a folder under a random name that begins with `prefix`, 0700, and answer its path. */
export async function makeTemporaryFolder(parent: string, prefix: string): Promise<string> {
  const path = join(parent, prefix + randomName());
  await mkdir(path, { mode: 0o700 });
  await chmod(path, 0o700);
  return path;
}

/** fsync a folder: the names in it are on disk. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot sync a folder.
    const code = codeOf(error);
    if (code !== "EINVAL" && code !== "ENOTSUP") throw error;
  } finally {
    await handle.close();
  }
}

/** Remove a folder so that a crash on the way leaves either all of it or only a leftover that `sweep` removes. */
export async function removeFolder(path: string): Promise<void> {
  await attempt("remove", path, async () => {
    const parent = dirname(path);
    await ifPresent(() => rename(path, join(parent, removedPrefix + randomName())));
    await ifPresent(() => syncFolder(parent));
    await sweep(parent, removedPrefix);
  });
}

/** Remove one file durably; a missing file is fine. `assert` rejects if it may not be removed. */
export async function removeFile(path: string, assert = async () => {}): Promise<void> {
  await attempt("remove", path, async () => {
    await assert();
    await rm(path, { force: true });
    await ifPresent(() => syncFolder(dirname(path)));
  });
}

/** Remove everything in `folder` whose name begins with `prefix`. Symbolic links are not followed. */
export async function sweep(folder: string, prefix: string): Promise<void> {
  for (const entry of await entriesOf(folder)) {
    if (entry.startsWith(prefix)) await rm(join(folder, entry), { recursive: true, force: true });
  }
}

/** The names in a folder, sorted; none when there is no such folder. */
export async function entriesOf(folder: string): Promise<readonly string[]> {
  const entries = await attempt("read", folder, () => ifPresent(() => readdirSync(folder)));
  return entries?.toSorted() ?? [];
}

/** A file's text; undefined when there is no such file. */
export async function readText(path: string): Promise<string | undefined> {
  return attempt("read", path, () => ifPresent(() => readFileSync(path, "utf8")));
}

/** Remove what a failed write left behind; the caller reports the failure itself. */
export async function discard(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // The next `sweep` removes it.
  }
}

/** Marks a name as temporary, after the name it will get. */
export const temporaryMark = ".tmp-";
export const removedPrefix = ".removed-";

/** Hard to guess, so that no other user can create it first. */
export function randomName(): string {
  return randomBytes(8).toString("hex");
}

/** Do `work`; an error of the operating system becomes a `machine` Problem that names `path` and the remedy. */
export async function attempt<T>(
  doing: string,
  path: string,
  work: () => Promise<T> | T,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageProblem(error, doing, path);
  }
}

/** What the system call returns; undefined if the file does not exist. */
export async function ifPresent<T>(call: () => Promise<T> | T): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return undefined;
    throw error;
  }
}

function storageProblem(cause: unknown, doing: string, path: string): unknown {
  if (!(cause instanceof Error) || !("errno" in cause) || Problem.is(cause)) return cause;
  const code = codeOf(cause);
  const why = systemReason(cause);
  const hint =
    remedies[code] ??
    "Check the folder and its file system, or choose another state folder with --state DIR.";
  return new Problem("machine", {
    detail: `Cannot ${doing} ${path}: ${why}${why === messageOf(cause) ? "" : ` (${code})`}.`,
    hint: hint.replaceAll("{path}", path).replaceAll("{user}", userName()),
    cause,
  });
}

const permission =
  "acmectl runs as {user}: run it as the owner of the state folder, or choose a folder of your own with --state DIR.";
const space = "or choose a state folder on another file system with --state DIR.";
const inTheWay = "Move {path} away and run again.";

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: `Free space or inodes (df -h, df -i), ${space}`,
  EDQUOT: `Free space within the quota, ${space}`,
  EACCES: permission,
  EPERM: permission,
  EROFS: `Mount it read-write, ${space}`,
  EIO: `Check dmesg and the health of the disk, ${space}`,
  ENOENT:
    "Check whether another program removed it, and run again; create the parent of --state DIR if it is missing.",
  ENOTDIR: "Move that file away, or choose another state folder with --state DIR.",
  EISDIR: inTheWay,
  ENOTEMPTY: "Run again: two runs may have met.",
  EEXIST: inTheWay,
  ELOOP: "Find out who made the symbolic link; remove it and run again.",
  EMFILE: "Raise the limit of open files (ulimit -n).",
  ENFILE: "Stop other programs: this machine has too many open files. Then run again.",
  ENAMETOOLONG: "Choose a shorter --name or --state DIR.",
};

function userName(): string {
  const id = process.geteuid?.();
  return id === undefined ? "this user" : `user id ${id}`;
}
