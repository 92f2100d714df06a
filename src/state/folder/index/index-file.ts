/**
 * `index.json` spares the next run work on what has not changed. It is derived from the folders and never the truth: a
 * certificate whose files look different is read again, and without a usable index all are.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  type Stats,
} from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../../errors.ts";
import { isRecord, parseJson } from "../../../json.ts";
import { version } from "../../../version.ts";
import { writeDurably } from "../files.ts";
import { versionFiles } from "../versions.ts";

export interface Index {
  /** The stamp of a certificate's version when it was found good, by folder. */
  readonly good: Readonly<Record<string, unknown>>;
  /** The mark of each certificate's names (`markOf`), by its name. */
  readonly marks: Readonly<Record<string, unknown>>;
  /** What a run concluded from all certificates, and the stamp of all when it began. */
  readonly note?: { readonly stamp: string; readonly conclusion: unknown } | undefined;
}

const file = "index.json";
const files = Object.values(versionFiles);
const empty: Index = { good: {}, marks: {} };

/** Empty when there is none, when another user or release wrote it, or when it is broken. */
export function readIndex(root: string): Index {
  try {
    const parsed = parseJson(readOwn(join(root, file)));
    if (!isRecord(parsed) || parsed["release"] !== version || !isRecord(parsed["good"]))
      return empty;
    const { good, marks, note } = parsed;
    const known = { good, marks: isRecord(marks) ? marks : {} };
    if (!isRecord(note) || typeof note["stamp"] !== "string") return known;
    return { ...known, note: { stamp: note["stamp"], conclusion: note["conclusion"] } };
  } catch {
    return empty;
  }
}

/** Other users must not decide what is left out. */
function readOwn(path: string): string {
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const { uid, mode } = fstatSync(descriptor);
    const isOwn = process.geteuid === undefined || (uid === process.geteuid() && !(mode & 0o022));
    return isOwn ? readFileSync(descriptor, "utf8") : "";
  } finally {
    closeSync(descriptor);
  }
}

/** What cannot be written, as on a read-only disk, is found out again by the next run. */
export async function writeIndex(root: string, index: Index): Promise<void> {
  await writeDurably(join(root, file), `${JSON.stringify({ release: version, ...index })}\n`).catch(
    () => undefined,
  );
}

export interface VersionStamp {
  /** Undefined while no version is in use. */
  readonly number?: number | undefined;
  readonly stamp: string;
}

/**
 * How the version in use looks from outside: any change of its files changes the stamp. Undefined when it cannot be trusted,
 * since a file has just changed and may change again within the same tick.
 */
export function stampOfVersion(path: string): VersionStamp | undefined {
  try {
    const target = readlinkSync(`${path}/current`);
    const number = /^versions\/(\d+)$/.exec(target)?.[1];
    if (number === undefined) return undefined;
    const folder = `${path}/${target}`;
    const stamp = stampOf([folder, ...files.map((name) => `${folder}/${name}`)]);
    return stamp === undefined ? undefined : { number: Number(number), stamp: number + stamp };
  } catch (error) {
    return codeOf(error) === "ENOENT" ? { stamp: "none" } : undefined;
  }
}

/**
 * How all certificates look from outside. Any file that acmectl replaces changes the stamp, and any edit of a record; an edit
 * in place of a key or certificate does not, for which see `stampOfVersion`.
 */
export function stampOfAll(certificates: string, entries: readonly string[]): string | undefined {
  const stamp = stampOf(pathsOf(certificates, entries));
  const names = openChecksum();
  names.add(Buffer.from(entries.join("/")));
  return stamp === undefined ? undefined : stamp + names.text();
}

/** One by one: twenty thousand paths at once would keep the garbage collector busy. */
function* pathsOf(certificates: string, entries: readonly string[]): Iterable<string> {
  for (const entry of entries) {
    yield `${certificates}/${entry}`;
    yield `${certificates}/${entry}/certificate.json`;
  }
}

/** Of inode changes, whose time no program can set; undefined after a very recent one. */
function stampOf(paths: Iterable<string>): string | undefined {
  const [numbers, now] = [new Float64Array(3), Date.now()];
  const sum = openChecksum();
  const halves = new Uint32Array(numbers.buffer);
  for (const path of paths) {
    const found = statSync(path, orUndefined);
    if (found !== undefined && isRecent(found, now)) return undefined;
    numbers[0] = found?.ctimeMs ?? 0;
    numbers[1] = found?.ino ?? 0;
    numbers[2] = found?.size ?? 0;
    sum.add(halves);
  }
  return sum.text();
}

/** Of 64 bits. It finds changes by accident, and is quicker than loading OpenSSL. */
function openChecksum() {
  let [one, other] = [1, 2];
  return {
    add(numbers: Iterable<number>) {
      for (const number of numbers) {
        one = Math.imul(rotated(one ^ number, 13), 0x9e37_79b1);
        other = Math.imul(rotated(other ^ number, 17), 0x85eb_ca77);
      }
    },
    text: () => [one, other].map((half) => (half >>> 0).toString(36)).join("."),
  };
}

function rotated(bits: number, by: number): number {
  return (bits << by) | (bits >>> (32 - by));
}

const orUndefined = { throwIfNoEntry: false } as const;

/** Milliseconds: longer than a tick of a file system's clock. Some count whole seconds. */
const [tick, longTick] = [100, 2_000];

function isRecent({ ctimeMs }: Stats, now: number): boolean {
  return ctimeMs > now - (ctimeMs % 1000 === 0 ? longTick : tick);
}
