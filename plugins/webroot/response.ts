/** The response file of one challenge, and the folders on its way. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { open, rename, unlink, type FileHandle } from "node:fs/promises";
import { Problem } from "acmectl/plugin";
import { failure } from "./failure.ts";
import * as folders from "./folder.ts";
import { codeOf, type Folder } from "./folder.ts";
import type { Owner } from "./permissions.ts";

export interface Response {
  readonly root: string;
  readonly token: string;
  readonly body: string;
  readonly rules: { fileMode: number; directoryMode: number; owner?: Owner };
  /** Paths of the folders that this instance made and that are still there. */
  readonly made: Set<string>;
  readonly warn: (message: string) => void;
}

/** The folders that were made for it, as paths. */
export interface Receipt {
  readonly made: readonly string[];
}

const [outer, inner] = [".well-known", "acme-challenge"] as const;

/** What comes back from the journal is looked at again. */
export function isReceipt(value: unknown): value is Receipt {
  return (
    typeof value === "object" && value !== null && "made" in value && Array.isArray(value.made)
  );
}

/** Writes the file, whole or not at all. Rejects with a Problem of kind `machine` that says what cannot be written. */
export async function writeResponse(response: Response): Promise<Receipt> {
  const { root, made } = response;
  try {
    const owner = response.rules.owner ?? (await copiedOwner(root));
    const write = (folder: Folder) => writeFile(folder, response, owner);
    // Another run may take an empty folder away in between; then it is made again.
    for (let attempt = 0; attempt < 50; attempt++) {
      const written = await folders.within(folders.openRoot(root), (served) =>
        enter(served, outer, response, owner, (known) =>
          enter(known, inner, response, owner, write),
        ),
      );
      const paths = [`${root}/${outer}`, `${root}/${outer}/${inner}`];
      if (written === true) return { made: paths.filter((path) => made.has(path)) };
    }
  } catch (error) {
    throw Problem.is(error) ? error : failure(error, root);
  }
  throw failure(new Error("the folders vanish as soon as they are made"), root);
}

/** Removes the file if it still holds this response, then the folders that were made for it and are empty. */
export async function removeResponse(
  response: Response,
  receipt: Receipt | undefined,
): Promise<void> {
  const made = new Set([...response.made, ...(receipt?.made ?? [])]);
  const removeIfMade = async (parent: Folder, name: string) => {
    const path = `${parent.shown}/${name}`;
    if (made.has(path) && (await folders.removeEmptyChild(parent, name))) {
      response.made.delete(path);
    }
  };
  try {
    await folders.within(folders.openRoot(response.root), async (served) => {
      await folders.within(folders.openChild(served, outer), async (known) => {
        const opening = folders.openChild(known, inner);
        await folders.within(opening, (folder) => removeFile(folder, response));
        await removeIfMade(known, inner);
      });
      await removeIfMade(served, outer);
    });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw Problem.is(error) ? error : failure(error, response.root);
  }
}

async function enter(
  parent: Folder,
  name: string,
  { rules, made }: Response,
  owner: Owner | undefined,
  act: (folder: Folder) => Promise<boolean | undefined>,
): Promise<boolean | undefined> {
  const isNew = await folders.makeChild(parent, name, rules.directoryMode, owner);
  if (isNew) made.add(`${parent.shown}/${name}`);
  return folders.within(folders.openChild(parent, name), act);
}

/** A web server must be able to read what root makes: it belongs to whom the served folder belongs. */
async function copiedOwner(root: string): Promise<Owner | undefined> {
  return process.geteuid?.() === 0 ? folders.ownerOf(root) : undefined;
}

/** True when the file is there; undefined when the folder is not any more. */
async function writeFile(
  folder: Folder,
  { token, body, rules }: Response,
  owner: Owner | undefined,
): Promise<true | undefined> {
  const temporary = folder.in(`.acmectl-${randomBytes(12).toString("hex")}`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    const file = await open(temporary, flags, 0o600);
    try {
      await file.writeFile(body);
      if (owner !== undefined) await file.chown(owner.uid, owner.gid);
      await file.chmod(rules.fileMode);
    } finally {
      await file.close();
    }
    await rename(temporary, folder.in(token));
    return true;
  } catch (error) {
    await unlink(temporary).catch(() => {});
    return folders.whenAbsent(error);
  }
}

async function removeFile(folder: Folder, { token, body, warn }: Response): Promise<void> {
  const path = folder.in(token);
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const held = await open(path, flags).catch((error: unknown) =>
    codeOf(error) === "ELOOP" ? "a link" : folders.whenAbsent(error),
  );
  if (held === undefined) return;
  if (held !== "a link" && (await isStill(held, body))) await unlink(path);
  else warn(`${folder.shown}/${token} holds something else by now and is left alone`);
}

async function isStill(file: FileHandle, body: string): Promise<boolean> {
  try {
    const { size } = await file.stat();
    return size === Buffer.byteLength(body) && (await file.readFile("utf8")) === body;
  } finally {
    await file.close();
  }
}
