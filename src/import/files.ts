/** Reads files of another client, up to a limit; never writes. */
import { lstat, open, readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, systemReason } from "../errors.ts";
import { isRecord, parseJson } from "../json.ts";
import { Problem } from "../problem.ts";

const longest = 1_048_576;

/** The text of a file; undefined if it does not exist. A `machine` Problem if it may not be read. */
export async function readText(path: string): Promise<string | undefined> {
  return reading(path, async () => {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      if (size > longest) throw tooLarge(path);
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  });
}

/** The names in a folder, sorted; none when it is not there. */
export async function namesIn(path: string): Promise<readonly string[]> {
  return (await reading(path, async () => (await readdir(path)).toSorted())) ?? [];
}

/** True for a folder, or a link to one. */
export async function isFolder(path: string): Promise<boolean> {
  return (await statOf(path))?.isDirectory() === true;
}

/** True for a file, or a link to one. */
export async function isFile(path: string): Promise<boolean> {
  return (await statOf(path))?.isFile() === true;
}

export async function isProgram(path: string): Promise<boolean> {
  const found = await statOf(path);
  return found?.isFile() === true && (found.mode & 0o111) !== 0;
}

/** True for a symbolic link, wherever it leads. */
export async function isLink(path: string): Promise<boolean> {
  return (await reading(path, () => lstat(path)))?.isSymbolicLink() === true;
}

function statOf(path: string) {
  return reading(path, () => stat(path));
}

/** The folders at and below this one that hold a file of this name. */
export async function foldersWith(
  file: string,
  folder: string,
  deepest = 8,
): Promise<readonly string[]> {
  const names = await namesIn(folder);
  const found = names.includes(file) ? [folder] : [];
  for (const name of names) {
    const path = join(folder, name);
    if (deepest > 0 && (await isFolder(path)))
      found.push(...(await foldersWith(file, path, deepest - 1)));
  }
  return found;
}

/** The folder, links followed. A `usage` Problem if it does not exist. */
export async function existingFolder(path: string, client: string): Promise<string> {
  const folder = (await isFolder(path)) ? await reading(path, () => realpath(path)) : undefined;
  if (folder !== undefined) return folder;
  throw new Problem("usage", {
    detail: `${path} is not a folder, so nothing of ${client} can be imported from it.`,
    hint: `Give the folder of ${client}: acmectl import ${client} PATH`,
  });
}

/** The object in a JSON file; undefined for anything else. */
export async function readObject(path: string): Promise<Record<string, unknown> | undefined> {
  const value = parseJson((await readText(path)) ?? "");
  return isRecord(value) ? value : undefined;
}

/** A member that is text and not empty. */
export function textOf(value: unknown, member: string): string | undefined {
  const found = isRecord(value) ? value[member] : undefined;
  return typeof found === "string" && found !== "" ? found : undefined;
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (Problem.is(error) || code === "") throw error;
    throw new Problem("machine", {
      detail: `Cannot read ${path}: ${systemReason(error)}.`,
      hint:
        code === "EACCES" || code === "EPERM"
          ? "Run the import as the user who runs the other client, usually root."
          : "Fix the file, or import from a copy of the folder.",
      cause: error,
    });
  }
}

function tooLarge(path: string): Problem {
  return new Problem("machine", {
    detail: `${path} is larger than ${longest} bytes, too large for a file of an ACME client.`,
    hint: "Import from a copy of the folder without it.",
  });
}
