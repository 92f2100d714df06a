/** The response file of one challenge, and the folders above it. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { open, rename, stat, unlink, type FileHandle } from "node:fs/promises";
import { Problem } from "acmectl/plugin";
import { codeOf, isRecord, systemReason } from "acmectl/plugin/http";
import * as folders from "./folder.ts";
import type { Folder, Owner } from "./folder.ts";

export interface Response {
  readonly root: string;
  readonly token: string;
  readonly body: string;
  readonly rules: { fileMode: number; directoryMode: number; owner: Owner | undefined };
  /** Paths of the folders that this instance created and that still exist. */
  readonly made: Set<string>;
  readonly warn: (message: string) => void;
}

/** The folders that were created for it, as paths. */
export interface Receipt {
  readonly made: readonly string[];
}

const [outer, inner] = [".well-known", "acme-challenge"] as const;

/** Checks a receipt from the journal. */
export function isReceipt(value: unknown): value is Receipt {
  return isRecord(value) && Array.isArray(value["made"]);
}

/** Writes the file, completely or not at all. Rejects with a Problem of kind `machine`. */
export async function writeResponse(response: Response): Promise<Receipt> {
  const { root, made } = response;
  try {
    const owner = response.rules.owner ?? (await copiedOwner(root));
    const write = (folder: Folder) => writeFile(folder, response, owner);
    // Another run may remove an empty folder in between; then create it again.
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
  throw failure(new Error("another process removes the folders as soon as they are created"), root);
}

/** Removes the file if it still has this response, then the empty folders that were created for it. */
export async function removeResponse(
  response: Response,
  receipt: Receipt | undefined,
): Promise<void> {
  const made = new Set([...response.made, ...(receipt?.made ?? [])]);
  const removeIfMade = async (parent: Folder, name: string) => {
    const path = `${parent.shown}/${name}`;
    if (made.has(path) && (await folders.removeEmptyChild(parent, name)))
      response.made.delete(path);
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

/** The web server must be able to read what root creates, so copy the owner of the served folder. */
async function copiedOwner(root: string): Promise<Owner | undefined> {
  return process.geteuid?.() === 0 ? stat(root) : undefined;
}

/** True if the file was written; undefined if the folder has been removed. */
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
  else warn(`${folder.shown}/${token} has other content now, so it is not removed`);
}

async function isStill(file: FileHandle, body: string): Promise<boolean> {
  try {
    const { size } = await file.stat();
    return size === Buffer.byteLength(body) && (await file.readFile("utf8")) === body;
  } finally {
    await file.close();
  }
}

/** The Problem of kind `machine` for an error below `root`. */
function failure(error: unknown, root: string): Problem {
  const [detail, hint] = explain(codeOf(error), root);
  return new Problem("machine", {
    title: "Webroot unusable",
    detail: detail ?? `Cannot write below ${root}: ${systemReason(error)}.`,
    hint: hint ?? `Check ${root}, and try \`acmectl solvers test webroot\`.`,
    cause: error,
  });
}

function explain(code: string, root: string): readonly [string?, string?] {
  switch (code) {
    case "ENOENT":
      return [
        `The webroot ${root} does not exist.`,
        "Use the folder that the web server serves for this name (nginx: `root`, Apache: `DocumentRoot`).",
      ];
    case "ENOTDIR":
      return [
        `${root}, or .well-known or acme-challenge in it, is not a folder.`,
        "Use the folder that the web server serves, and remove the file.",
      ];
    case "EACCES":
    case "EPERM":
      return [
        `This user (uid ${process.geteuid?.() ?? "unknown"}) may not write to ${root}/.well-known/acme-challenge.`,
        `Run acmectl as root, or create the folder for this user: mkdir -p ${root}/.well-known/acme-challenge && chown ${process.geteuid?.() ?? "USER"} ${root}/.well-known/acme-challenge`,
      ];
    case "EROFS":
      return [
        `${root} is on a file system that is mounted read-only.`,
        "Serve .well-known/acme-challenge from a writable folder, and use that.",
      ];
    case "ENOSPC":
    case "EDQUOT":
      return [`There is no space left for ${root}.`, "Free some space (df -h, df -i, quota)."];
    default:
      return [];
  }
}
