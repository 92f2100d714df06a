/** Makes a state folder from an archive: all of it is unpacked beside, verified, and put in place by one rename. */
import { createReadStream } from "node:fs";
import { chmod, chown, readdir, rename, rmdir, symlink } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { createGunzip } from "node:zlib";
import { codeOf, messageOf } from "../../../errors.ts";
import { isRecord, parseJson } from "../../../json.ts";
import { Problem } from "../../../problem.ts";
import { attempt, createFile, discard, makeFolder, randomName, syncFolder } from "../files.ts";
import { contentsFile, hashOf, type Contents } from "./backup.ts";
import { entriesIn, type Entry } from "./tar.ts";

/** Answers the time of the backup and how many files it has. `root` must not exist, or be empty. */
export async function restoreFolder(
  file: string,
  root: string,
  signal: AbortSignal,
): Promise<Pick<Contents, "at"> & { readonly count: number }> {
  await refuseFilled(root);
  const temporary = `${root}.restore-${randomName()}`;
  try {
    await makeFolder(temporary);
    const contents = await unpacked(file, temporary, signal);
    await attempt("write", root, async () => {
      await rmdir(root).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT") throw error;
      });
      await rename(temporary, root);
      await syncFolder(dirname(root));
    });
    return { at: contents.at, count: Object.keys(contents.files).length };
  } catch (error) {
    await discard(temporary);
    throw error;
  }
}

async function refuseFilled(root: string): Promise<void> {
  const found = await readdir(root).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
  if (found.length === 0) return;
  throw new Problem("usage", {
    detail: `${root} is not empty; a restore replaces no state.`,
    hint: "Give a new folder with --state DIR, compare, and move it into place.",
  });
}

async function unpacked(file: string, folder: string, signal: AbortSignal): Promise<Contents> {
  const hashes: Record<string, string> = {};
  let contents: Contents | undefined;
  try {
    const source = createReadStream(file, { signal });
    const unzipped = createGunzip();
    source.on("error", (error) => unzipped.destroy(error));
    for await (const entry of entriesIn(source.pipe(unzipped))) {
      if (entry.path === contentsFile) {
        contents = contentsIn(entry.content);
        continue;
      }
      await place(entry, folder);
      if (entry.kind === "file") hashes[entry.path] = hashOf(entry.content);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (Problem.is(error)) throw error;
    throw unusable(file, messageOf(error));
  }
  if (contents === undefined) throw unusable(file, "it has no list of what is in it");
  const names = new Set([...Object.keys(hashes), ...Object.keys(contents.files)]);
  const wrong = [...names].find((name) => hashes[name] !== contents.files[name]);
  if (wrong !== undefined) throw unusable(file, `${wrong} is missing or was changed`);
  return contents;
}

/** An archive may come from anywhere: nothing of it is written outside the folder. */
async function place(entry: Entry, folder: string): Promise<void> {
  const { path, kind, mode, uid, gid, content, target = "" } = entry;
  if (!isInside(path)) throw new Error(`the path ${JSON.stringify(path)} leads out of it`);
  const full = join(folder, path);
  if (kind === "link") {
    if (!isInside(posix.join(posix.dirname(path), target)) || posix.isAbsolute(target))
      throw new Error(`the link ${JSON.stringify(path)} leads out of it`);
    await symlink(target, full);
    return;
  }
  await (kind === "folder" ? makeFolder(full) : createFile(full, content));
  await chmod(full, mode & 0o755 & (kind === "folder" ? 0o755 : 0o644));
  if (process.geteuid?.() === 0) await chown(full, uid, gid);
}

function isInside(path: string): boolean {
  const normal = posix.normalize(path);
  return path !== "" && !posix.isAbsolute(path) && normal !== ".." && !normal.startsWith("../");
}

function contentsIn(content: Buffer): Contents | undefined {
  const parsed = parseJson(content.toString("utf8"));
  return isContents(parsed) ? parsed : undefined;
}

function isContents(value: unknown): value is Contents {
  return (
    isRecord(value) &&
    value["format"] === 1 &&
    typeof value["at"] === "string" &&
    isRecord(value["files"])
  );
}

function unusable(file: string, why: string): Problem {
  return new Problem("config", {
    detail: `${file} is not a usable backup: ${why.replace(/\.$/, "")}.`,
    hint: "Give a file that `acmectl state backup FILE` made and that was copied as a whole.",
  });
}
