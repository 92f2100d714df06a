/** Writes a state folder into one archive, beside runs that go on: every file is replaced in one rename, and no version changes. */
import { createHash } from "node:crypto";
import { lstat, open, readdir, readFile, readlink, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { codeOf, systemReason } from "../../../errors.ts";
import { Problem } from "../../../problem.ts";
import { version } from "../../../version.ts";
import { attempt, discard, syncFolder } from "../files.ts";
import { end, written, type Entry } from "./tar.ts";

/** The last entry of an archive: what is in it, so that nothing can be missing or changed unseen. */
export const contentsFile = "acmectl-backup.json";
export interface Contents {
  readonly format: 1;
  readonly acmectl: string;
  readonly at: string;
  /** SHA-256 of each file, by its path. */
  readonly files: Readonly<Record<string, string>>;
}

/** Answers how many files are in it. `file` is absolute and must not exist; it is complete, or is not there. */
export async function backUpFolder(
  root: string,
  file: string,
  { now, signal }: { readonly now: Date; readonly signal: AbortSignal },
): Promise<number> {
  const handle = await created(file);
  const files: Record<string, string> = {};
  try {
    const write = async (source: AsyncIterable<Buffer>) => {
      for await (const part of source) await handle.writeFile(part);
    };
    await pipeline(Readable.from(blocksOf(root, now, files)), createGzip(), write, { signal });
    await handle.sync();
    await handle.close();
    await syncFolder(dirname(file));
  } catch (error) {
    await handle.close().catch(() => undefined);
    await discard(file);
    signal.throwIfAborted();
    throw codeOf(error) === "" ? error : unwritable(file, error);
  }
  return Object.keys(files).length;
}

async function created(file: string): Promise<FileHandle> {
  try {
    const handle = await open(file, "wx", 0o600);
    await handle.chmod(0o600);
    return handle;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw unwritable(file, error);
    throw new Problem("usage", {
      detail: `${file} exists already; a backup replaces no file.`,
      hint: "Give another name, for example with the date.",
    });
  }
}

async function* blocksOf(root: string, now: Date, files: Record<string, string>) {
  for await (const entry of entriesOf(root, "")) {
    if (entry.kind === "file") files[entry.path] = hashOf(entry.content);
    yield* written(entry);
  }
  const contents: Contents = { format: 1, acmectl: version, at: now.toISOString(), files };
  const time = now.getTime() / 1000;
  const content = Buffer.from(`${JSON.stringify(contents, undefined, 2)}\n`);
  yield* written({ path: contentsFile, kind: "file", mode: 0o600, uid: 0, gid: 0, time, content });
  yield end;
}

export function hashOf(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Locks and the index belong to the running host, and names with a dot to a write that is under way. */
const left = new Set(["locks", "index.json"]);

const order = (name: string) => ["pending", "certificate.json", "current"].indexOf(name);

/** An unfinished order comes before its certificate, whose link comes before its versions: then what the link shows is there. */
async function* entriesOf(root: string, folder: string): AsyncIterable<Entry> {
  const names = await attempt("read", join(root, folder), () => readdir(join(root, folder)));
  const wanted = names.filter(
    (name) => !name.startsWith(".") && !(folder === "" && left.has(name)),
  );
  const sorted = wanted.toSorted((a, b) => order(b) - order(a) || (a < b ? -1 : 1));
  for (const name of sorted) {
    const path = folder === "" ? name : `${folder}/${name}`;
    const entry = await entryOf(root, path);
    if (entry === undefined) continue;
    yield entry;
    if (entry.kind === "folder") yield* entriesOf(root, path);
  }
}

/** Undefined for what has been removed meanwhile, and for what is neither a file nor a folder nor a link. */
async function entryOf(root: string, path: string): Promise<Entry | undefined> {
  const full = join(root, path);
  try {
    const found = await lstat(full);
    const { uid, gid, mode } = found;
    const stats = { path, mode: mode & 0o777, uid, gid, time: found.mtimeMs / 1000 };
    const content = Buffer.alloc(0);
    if (found.isDirectory()) return { ...stats, kind: "folder", content };
    if (found.isSymbolicLink())
      return { ...stats, kind: "link", target: await readlink(full), content };
    if (!found.isFile()) return undefined;
    return { ...stats, kind: "file", content: await readFile(full) };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new Problem("machine", {
      detail: `${full} cannot be read: ${systemReason(error)}.`,
      hint: `Run this as the owner of the state, and check the disk of ${basename(root)}.`,
      cause: error,
    });
  }
}

function unwritable(file: string, error: unknown): Problem {
  return new Problem("machine", {
    detail: `The backup ${file} cannot be written: ${systemReason(error)}.`,
    hint: "Check that its folder exists, that you may write to it, and that the disk has room.",
    cause: error,
  });
}
