/**
 * Folders that stay open while they are used, so that other users cannot replace them (openat(2) through /proc).
 *
 * The served folder may be reached through symbolic links. Below it, a link is followed only if it belongs to root or to the
 * user that acmectl runs as, and lies in a folder that only those two can write: they could write to its target anyway.
 */
import { constants, existsSync, type Stats } from "node:fs";
import { lstat, mkdir, open, readdir, rmdir, type FileHandle } from "node:fs/promises";
import { Problem } from "acmectl/plugin";
import { codeOf } from "acmectl/plugin/http";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Folder {
  readonly handle: FileHandle;
  /** The path for messages. */
  readonly shown: string;
  /** The path of an entry of this folder, even if the folder has been moved or replaced. */
  in(name: string): string;
}

const openFolder = constants.O_RDONLY | constants.O_DIRECTORY;

/** The served folder. */
export async function openRoot(root: string): Promise<Folder> {
  return folderOf(await open(root, openFolder), root);
}

/** The folder `name` in `parent`; undefined if it does not exist. */
export async function openChild(parent: Folder, name: string): Promise<Folder | undefined> {
  const path = parent.in(name);
  const shown = `${parent.shown}/${name}`;
  const found = await lstat(path).catch(whenAbsent);
  if (found === undefined) return undefined;
  if (!found.isSymbolicLink()) {
    const handle = await open(path, openFolder | constants.O_NOFOLLOW).catch(whenAbsent);
    return handle === undefined ? undefined : folderOf(handle, shown);
  }
  if (!(isOurs(found) && isClosed(await parent.handle.stat()))) throw linkRefused(shown, found);
  return folderOf(await open(path, openFolder), shown);
}

/** Uses a folder while it is open; undefined if there is none. */
export async function within<R>(
  opening: Promise<Folder | undefined>,
  act: (folder: Folder) => Promise<R>,
): Promise<R | undefined> {
  const folder = await opening;
  if (folder === undefined) return undefined;
  try {
    return await act(folder);
  } finally {
    await folder.handle.close();
  }
}

/** Creates the folder `name` in `parent`; true if it did not exist before and still exists. */
export async function makeChild(
  parent: Folder,
  name: string,
  mode: number,
  owner: Owner | undefined,
): Promise<boolean> {
  try {
    await mkdir(parent.in(name), { mode });
  } catch (error) {
    // ENOENT: another run has removed the empty parent.
    if (["EEXIST", "ENOENT"].includes(codeOf(error))) return false;
    throw error;
  }
  const flags = openFolder | constants.O_NOFOLLOW;
  const handle = await open(parent.in(name), flags).catch(whenAbsent);
  if (handle === undefined) return false;
  try {
    // If another user has replaced it, do not change it: not for a folder of theirs, nor for one of root's with content.
    const inside = await readdir(folderOf(handle, parent.in(name)).in("."));
    if (!isOurs(await handle.stat()) || inside.length > 0) return false;
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
    await handle.chmod(mode);
  } finally {
    await handle.close();
  }
  return true;
}

/** Removes the folder `name` in `parent` if it is empty. */
export async function removeEmptyChild(parent: Folder, name: string): Promise<boolean> {
  try {
    await rmdir(parent.in(name));
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR"].includes(codeOf(error))) return false;
    throw error;
  }
}

/** For `catch`: undefined for ENOENT; rethrows anything else. */
export function whenAbsent(error: unknown): undefined {
  if (codeOf(error) === "ENOENT") return undefined;
  throw error;
}

function folderOf(handle: FileHandle, shown: string): Folder {
  const held = `/proc/self/fd/${handle.fd}`;
  const base = existsSync(held) ? held : shown;
  return { handle, shown, in: (name) => `${base}/${name}` };
}

function isOurs({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** Only root and this user can write there. */
function isClosed(folder: Stats): boolean {
  return isOurs(folder) && (folder.mode & 0o022) === 0;
}

function linkRefused(shown: string, { uid }: Stats): Problem {
  return new Problem("machine", {
    title: "Symbolic link refused",
    detail: `${shown} is a symbolic link that another user (uid ${uid}) owns or can replace; following it could write anywhere.`,
    hint: `Replace ${shown} by a folder, let root own the link and its folder, or use the target of the link as the webroot.`,
  });
}
