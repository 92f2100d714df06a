/**
 * Durable files: what was written is either all there or not at all, whatever dies when. Everything is made with mode 0600 and
 * 0700 by an explicit chmod, since the umask changes what `open` and `mkdir` are told.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { attempt, codeOf, isMissing } from "./failures.ts";

/**
 * Replace or make one file: temporary file, chmod, write, fsync, rename, fsync of the folder. Temporary files that a dead run
 * left for the same name are removed, so callers write one name one at a time.
 */
export async function writeDurably(path: string, content: string): Promise<void> {
  await attempt("write", path, async () => {
    const folder = dirname(path);
    const prefix = `.${basename(path)}${temporaryMark}`;
    await makeFolder(folder);
    await sweep(folder, prefix);
    const temporary = join(folder, prefix + randomName());
    try {
      await createFile(temporary, content);
      await rename(temporary, path);
    } catch (error) {
      await discard(temporary);
      throw error;
    }
    await syncFolder(folder);
  });
}

/**
 * Make a file that must not exist (EEXIST), mode 0600 whatever the umask, and sync it; never through a symbolic link. What
 * a failure leaves of it, and syncing the folder, are the caller's.
 */
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
    // Some network file systems cannot sync a folder; there is nothing better to do on them.
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
    const doomed = join(parent, removedPrefix + randomName());
    try {
      await rename(path, doomed);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    await syncFolder(parent);
    await sweep(parent, removedPrefix);
  });
}

/** Remove one file durably; one that is not there is no failure. */
export async function removeFile(path: string): Promise<void> {
  await attempt("remove", path, async () => {
    try {
      await rm(path, { force: true });
      await syncFolder(dirname(path));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  });
}

/** Remove whatever stands in `folder` under a name that begins with `prefix`. Symbolic links are not followed. */
export async function sweep(folder: string, prefix: string): Promise<void> {
  for (const entry of await entriesOf(folder)) {
    if (entry.startsWith(prefix)) await rm(join(folder, entry), { recursive: true, force: true });
  }
}

/** The names in a folder, sorted; none when there is no such folder. */
export async function entriesOf(folder: string): Promise<readonly string[]> {
  return attempt("read", folder, async () => {
    try {
      return (await readdir(folder)).toSorted();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  });
}

/** A file's text; undefined when there is no such file. */
export async function readText(path: string): Promise<string | undefined> {
  return attempt("read", path, async () => {
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  });
}

/** Remove what a failed write left behind; the failure itself is what the caller reports. */
export async function discard(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // `sweep` finds it next time.
  }
}

/** Marks a name as temporary, after the name it will get. */
export const temporaryMark = ".tmp-";
export const removedPrefix = ".removed-";

/** Hard to guess, so nobody can plant it. */
export function randomName(): string {
  return randomBytes(8).toString("hex");
}
