/** Counts the file system calls of this process, and lets a test die or fail right before one of them. */
import fs from "node:fs";
import files, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

type Before = (step: number, call: string) => void | Promise<void>;

let before: Before | undefined;
let step = 0;
let countsReads = true;

const calls = [
  "chmod",
  "lutimes",
  "mkdir",
  "open",
  "readlink",
  "rename",
  "rm",
  "stat",
  "symlink",
] as const;
/** They change nothing, so that dying before one is dying before the next call. */
const reads = ["lstatSync", "readFileSync", "readdirSync", "readlinkSync"] as const;
const handleCalls = ["chmod", "sync", "writeFile"] as const;

/** From now on `visit` is called before each file system call; answers a function that stops it and tells their number. */
export function watchFileSystem(visit: Before, { withReads = true } = {}): () => number {
  before = visit;
  countsReads = withReads;
  step = 0;
  return () => {
    before = undefined;
    return step;
  };
}

/** Put the counting in; once per process, and only in one that is a test's own. */
export async function instrument(): Promise<void> {
  for (const call of calls) wrap(files, call);
  for (const call of reads) wrapRead(fs, call);
  const handle = await files.open(join(tmpdir(), `acmectl-${process.pid}`), "w");
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  await files.rm(join(tmpdir(), `acmectl-${process.pid}`));
  for (const call of handleCalls) wrap(prototype, call, "handle.");
  syncBuiltinESMExports();
}

function wrap(owner: object, call: string, prefix = ""): void {
  const real: (...given: unknown[]) => unknown = Reflect.get(owner, call);
  Reflect.set(owner, call, async function (this: unknown, ...given: unknown[]) {
    // The process reads about itself in /proc; that is no state.
    if (!String(given[0]).startsWith("/proc/")) await before?.(step++, prefix + call);
    return Reflect.apply(real, this, given);
  });
}

function wrapRead(owner: object, call: string): void {
  const real: (...given: unknown[]) => unknown = Reflect.get(owner, call);
  Reflect.set(owner, call, function (this: unknown, ...given: unknown[]) {
    if (countsReads) void before?.(step++, call);
    return Reflect.apply(real, this, given);
  });
}
