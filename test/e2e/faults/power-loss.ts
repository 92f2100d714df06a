/**
 * What a disk may hold after the power was lost. What was synced is there. A change to a folder that was not synced happened or
 * did not, independently of all others; the content of a file that was not synced is there, or half of it, or nothing.
 */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Operation } from "./operations.ts";

export type Disk = Folder | File | Link;
export interface Folder {
  readonly kind: "folder";
  readonly entries: Map<string, Disk>;
}
interface File {
  readonly kind: "file";
  content: Buffer;
}
interface Link {
  readonly kind: "link";
  readonly target: string;
}

/** How much of a change that was not synced reached the disk. */
export type Kept = "all" | "half" | "none";

/** The disk after the first `at` operations and a loss of power. */
export function afterPowerLoss(
  start: Folder,
  root: string,
  operations: readonly Operation[],
  at: number,
  keep: (index: number) => Kept,
): Folder {
  const disk = copyOf(start) as Folder;
  const done = operations.slice(0, at);
  const isSynced = syncedIn(done);
  for (const [index, operation] of done.entries())
    apply(disk, root, operation, isSynced[index] === true ? "all" : keep(index));
  return disk;
}

/** The indices of what may be lost after the first `at` operations; locks are worth nothing after a loss of power. */
export function unsynced(operations: readonly Operation[], at: number): readonly number[] {
  const done = operations.slice(0, at);
  const isSynced = syncedIn(done);
  return [...done.keys()].filter(
    (index) => isSynced[index] === false && !/\/locks\//.test(done[index]?.path ?? ""),
  );
}

function syncedIn(done: readonly Operation[]): readonly boolean[] {
  const lastSync = new Map<string, number>();
  for (const [index, { do: what, path }] of done.entries())
    if (what === "sync") lastSync.set(path, index);
  return done.map(({ do: what, path }, index) => {
    if (what === "sync" || what === "chmod") return true;
    const place = what === "write" ? path : dirname(path);
    return (lastSync.get(place) ?? -1) > index;
  });
}

function apply(disk: Folder, root: string, operation: Operation, kept: Kept): void {
  const { do: what, path, from = "", target = "", content = "" } = operation;
  if (path === root) return;
  const place = lookUp(disk, root, dirname(path));
  const name = path.slice(dirname(path).length + 1);
  if (place?.kind !== "folder") return;
  const bytes = Buffer.from(content, "base64");
  const file = place.entries.get(name);
  if (what === "write" && file?.kind === "file")
    file.content = bytes.subarray(0, { all: bytes.length, half: bytes.length / 2, none: 0 }[kept]);
  if (what === "remove" && kept === "half" && file?.kind === "folder") {
    const [first = ""] = file.entries.keys();
    file.entries.delete(first);
  }
  if (kept !== "all") return;
  if (what === "mkdir") place.entries.set(name, { kind: "folder", entries: new Map() });
  if (what === "create") place.entries.set(name, { kind: "file", content: Buffer.alloc(0) });
  if (what === "symlink") place.entries.set(name, { kind: "link", target });
  if (what === "remove") place.entries.delete(name);
  const source = what === "rename" ? lookUp(disk, root, dirname(from)) : undefined;
  const moved =
    source?.kind === "folder"
      ? source.entries.get(from.slice(dirname(from).length + 1))
      : undefined;
  if (source?.kind !== "folder" || moved === undefined) return;
  source.entries.delete(from.slice(dirname(from).length + 1));
  place.entries.set(name, moved);
}

function lookUp(disk: Folder, root: string, path: string): Disk | undefined {
  if (path === root) return disk;
  const parent = lookUp(disk, root, dirname(path));
  return parent?.kind === "folder"
    ? parent.entries.get(path.slice(dirname(path).length + 1))
    : undefined;
}

function copyOf(disk: Disk): Disk {
  if (disk.kind === "file") return { kind: "file", content: disk.content };
  if (disk.kind === "link") return disk;
  const entries = [...disk.entries].map(([name, one]) => [name, copyOf(one)] as const);
  return { kind: "folder", entries: new Map(entries) };
}

/** Equal for equal disks. */
export function hashOf(disk: Disk): string {
  const hash = createHash("sha256");
  const add = (one: Disk): void => {
    hash.update(one.kind);
    if (one.kind === "file") hash.update(`${one.content.length} `).update(one.content);
    if (one.kind === "link") hash.update(one.target);
    if (one.kind !== "folder") return;
    for (const name of [...one.entries.keys()].toSorted()) {
      hash.update(`/${name}/`);
      add(one.entries.get(name) as Disk);
    }
    hash.update("end");
  };
  add(disk);
  return hash.digest("hex");
}

export function readDisk(path: string): Folder {
  const names = lstatSync(path, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(path);
  return {
    kind: "folder",
    entries: new Map(names.map((name) => [name, readOne(join(path, name))])),
  };
}

function readOne(path: string): Disk {
  const found = lstatSync(path);
  if (found.isSymbolicLink()) return { kind: "link", target: readlinkSync(path) };
  return found.isDirectory() ? readDisk(path) : { kind: "file", content: readFileSync(path) };
}

export function writeDisk(path: string, disk: Folder): void {
  mkdirSync(path, { mode: 0o700 });
  for (const [name, one] of disk.entries) {
    const place = join(path, name);
    if (one.kind === "folder") writeDisk(place, one);
    if (one.kind === "file") writeFileSync(place, one.content, { mode: 0o600 });
    if (one.kind === "link") symlinkSync(one.target, place);
  }
}
