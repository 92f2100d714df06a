/** JSON files with a format number, and private keys: read strictly, and moved aside when broken. */
import { createPrivateKey } from "node:crypto";
import { rename } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Clock } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { isRecord, parseJson } from "../../json.ts";
import type { Log } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import { entriesOf, readText, writeDurably } from "./files.ts";

/** The format that this release reads and writes; raised when an older release could misread a file. */
const format = 1;

/** What every part of the folder store works with. */
export interface Folder {
  /** Absolute. */
  readonly root: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Rejects when another user could have planted the state. Called before each first use. */
  readonly check: () => Promise<void>;
  /** False until this run takes a lock: one that only reads moves nothing. */
  readonly mayMove: () => boolean;
  /** Run under a short lock of this name, shared with other processes. */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Rejects if another run has taken over a lock of these names that this run took. Called right before a change. */
  readonly assertHeld: (...locks: readonly string[]) => Promise<void>;
}

/** What a file is, for Problems about it. */
export interface Reading {
  folder: Pick<Folder, "clock" | "mayMove">;
  /** E.g. `The account's private key`. */
  what: string;
  /** What to do when it is broken; otherwise a backup is needed. */
  remedy?: string | undefined;
}

/** Write `{ version, ...record }` durably. */
export async function writeRecord(
  path: string,
  record: object,
  assert?: () => Promise<void>,
  write: typeof writeDurably = writeDurably,
): Promise<void> {
  await write(path, recordText(record), assert);
}

/** The text of a JSON file of the state. */
export function recordText(record: object): string {
  return `${JSON.stringify({ version: format, ...record }, undefined, 2)}\n`;
}

/** Read what `writeRecord` wrote; undefined when there is no such file. A broken file is a `machine` Problem, and moved aside by a run that writes. */
export async function readRecord<T>(
  path: string,
  is: (value: unknown) => value is T,
  reading: Reading,
): Promise<T | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  const record = recordIn(text, is);
  if (record !== undefined) return record;
  const parsed = parseJson(text);
  if (!isRecord(parsed)) return refuseBroken(path, faultOf(text, parsed), reading);
  const { version } = parsed;
  if (isNewer(version)) throw newer(path, version);
  return refuseBroken(path, "incomplete", reading);
}

/** The record in the text of a file; undefined for one that is broken or of a newer format. */
export function recordIn<T>(text: string, is: (value: unknown) => value is T): T | undefined {
  const parsed = parseObject(text);
  if (parsed === undefined) return undefined;
  const { version, ...record } = parsed;
  return !isNewer(version) && is(record) ? record : undefined;
}

function isNewer(version: unknown): version is number {
  return typeof version === "number" && version > format;
}

function faultOf(text: string, parsed: unknown): string {
  if (text === "") return "empty";
  return parsed === undefined ? "not JSON" : "not a JSON object";
}

/** Read a private key; undefined when there is no such file. One that does not parse is treated like a broken record. */
export async function readKey(path: string, reading: Reading): Promise<string | undefined> {
  const text = await readText(path);
  if (text === undefined || isPrivateKey(text)) return text;
  return refuseBroken(path, text === "" ? "empty" : "not a private key in PEM", reading);
}

/** Throws while a broken file that was moved aside is still there: otherwise its loss would go unnoticed. */
export async function refuseMovedAside(path: string, { what }: Reading): Promise<void> {
  const prefix = `${basename(path)}${asideMark}`;
  const aside = (await entriesOf(dirname(path))).findLast((entry) => entry.startsWith(prefix));
  if (aside === undefined) return;
  throw new Problem("machine", {
    detail: `${what} is missing: ${path} was broken and is now ${aside} beside it.`,
    hint: `Repair it or restore a backup to ${path}; to go on without it, remove ${dirname(path)}/${aside}.`,
    retryable: false,
  });
}

/** The object in a JSON text, or undefined. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  const parsed = parseJson(text);
  return isRecord(parsed) ? parsed : undefined;
}

/** True for an object of which each of these members is a string. */
export function hasStrings(
  value: unknown,
  members: readonly string[],
): value is Record<string, unknown> {
  return isRecord(value) && members.every((member) => typeof value[member] === "string");
}

function isPrivateKey(text: string): boolean {
  try {
    return createPrivateKey(text).type === "private";
  } catch {
    return false;
  }
}

/** Between a broken file's name and the time when it was moved aside. */
export const asideMark = ".corrupt-";

async function refuseBroken(
  path: string,
  how: string,
  { folder, what, remedy }: Reading,
): Promise<never> {
  const where = folder.mayMove() ? ` ${await moveAside(path, folder.clock)}` : "";
  const restore = `Restore ${path} from a backup, and check the disk: acmectl does not leave half-written files.`;
  throw new Problem("machine", {
    detail: `${what} is broken: ${path} is ${how}.${where}`,
    hint: remedy ?? restore,
    retryable: false,
  });
}

async function moveAside(path: string, clock: Clock): Promise<string> {
  const aside = `${path}${asideMark}${clock.now().toISOString().replaceAll(/[:.-]/g, "")}`;
  try {
    await rename(path, aside);
    return `It was moved to ${aside}.`;
  } catch (error) {
    return `It could not be moved to ${aside}: ${messageOf(error)}.`;
  }
}

function newer(path: string, version: number): Problem {
  return new Problem("machine", {
    detail: `${path} was written by a newer acmectl (format ${version}; this one reads formats up to ${format}).`,
    hint: "A newer acmectl wrote it. Use that version, or another state folder with --state DIR.",
    retryable: false,
  });
}
