/**
 * Folders held open while one works in them, so that nobody can put another in their place (openat(2) by way of /proc).
 *
 * The served folder itself is taken as the user names it, links included. Below it a symbolic link is followed only where
 * it belongs to root or to the user that acmectl runs as, and lies in a folder that only those two can write. Then who made
 * it could have written to its target anyway.
 */
import { constants, existsSync, type Stats } from "node:fs";
import { lstat, mkdir, open, rmdir, stat, type FileHandle } from "node:fs/promises";
import { Problem } from "acmectl/plugin";
import type { Owner } from "./permissions.ts";

export interface Folder {
  readonly handle: FileHandle;
  /** As the user knows it, for messages. */
  readonly shown: string;
  /** A path of something in this very folder, whatever its own path leads to by now. */
  in(name: string): string;
}

const openFolder = constants.O_RDONLY | constants.O_DIRECTORY;

/** The served folder. */
export async function openRoot(root: string): Promise<Folder> {
  return folderOf(await open(root, openFolder), root);
}

/** The folder `name` in `parent`; undefined when it is not there. */
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

/** Acts on a folder while it is held open; undefined when there is none. */
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

/** Makes the folder `name` in `parent`; true when it was not there before, and still is. */
export async function makeChild(
  parent: Folder,
  name: string,
  mode: number,
  owner: Owner | undefined,
): Promise<boolean> {
  try {
    await mkdir(parent.in(name));
  } catch (error) {
    // ENOENT: another run has removed the parent, which was empty.
    if (["EEXIST", "ENOENT"].includes(codeOf(error))) return false;
    throw error;
  }
  const flags = openFolder | constants.O_NOFOLLOW;
  const handle = await open(parent.in(name), flags).catch(whenAbsent);
  if (handle === undefined) return false;
  try {
    // Should somebody have exchanged it already, it is not ours to change.
    if (!isOurs(await handle.stat())) return false;
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
    await handle.chmod(mode);
  } finally {
    await handle.close();
  }
  return true;
}

/** Removes the folder `name` in `parent` when it is empty. */
export async function removeEmptyChild(parent: Folder, name: string): Promise<boolean> {
  try {
    await rmdir(parent.in(name));
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR"].includes(codeOf(error))) return false;
    throw error;
  }
}

/** The system's name of an error, such as `ENOENT`; empty for anything else. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** For `catch`: absence is an answer, anything else a failure. */
export function whenAbsent(error: unknown): undefined {
  if (codeOf(error) === "ENOENT") return undefined;
  throw error;
}

/** Owner and group of the served folder. */
export async function ownerOf(root: string): Promise<Owner> {
  const { uid, gid } = await stat(root);
  return { uid, gid };
}

function folderOf(handle: FileHandle, shown: string): Folder {
  const held = `/proc/self/fd/${handle.fd}`;
  const base = existsSync(held) ? held : shown;
  return { handle, shown, in: (name) => `${base}/${name}` };
}

function isOurs({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** Nobody but root and this user can write there. */
function isClosed(folder: Stats): boolean {
  return isOurs(folder) && (folder.mode & 0o022) === 0;
}

function linkRefused(shown: string, { uid }: Stats): Problem {
  return new Problem("machine", {
    title: "Symbolic link refused",
    detail: `${shown} is a symbolic link that somebody else (user ${uid}) made or can exchange; following it could write anywhere.`,
    hint: `Make ${shown} a real folder, or give the link to root in a folder that only root can write, or name the link's target as the webroot.`,
  });
}
