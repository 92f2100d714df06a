import type { Dirent } from "node:fs";
import { lstat, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../clock.ts";
import { isAbandoned, lookAt, sweptFile } from "./locks/lock-file.ts";
import { discard, entriesOf, ifPresent, readText, removedPrefix, temporaryMark } from "./files.ts";

/**
 * Temporary files and folders of killed runs. All writes are done under a lock, so without any lock they have no owner; but
 * a run that is about to take one may have just begun.
 */
export async function leftoversIn(root: string, clock: Clock): Promise<readonly string[]> {
  return (await lookThrough(root, clock)).old;
}

export async function removeLeftovers(root: string, clock: Clock): Promise<void> {
  for (const path of await leftoversIn(root, clock)) await discard(path);
}

/**
 * The same if there may be some: after a run was killed, which leaves its lock, and once a day, since a loss of power may
 * take the lock too. To look through ten thousand folders takes a second.
 */
export async function removeNewLeftovers(root: string, clock: Clock): Promise<void> {
  const swept = join(root, sweptFile);
  const before = (await readText(swept))?.trim() ?? "";
  const since = clock.now().getTime() - Date.parse(before);
  if (since >= 0 && since < day) return;
  const { old, isWhole } = await lookThrough(root, clock);
  for (const path of old) await discard(path);
  // Without it, or with half of it, the next run looks again.
  if (isWhole)
    await writeFile(swept, `${clock.now().toISOString()}\n`, { mode: 0o600 }).catch(
      () => undefined,
    );
}

const day = 24 * 3_600_000;

/** What may be removed, and whether nothing else is there: what is new, or may be that of a run, waits for the next look. */
async function lookThrough(root: string, clock: Clock) {
  const locks = join(root, "locks");
  for (const entry of await entriesOf(locks)) {
    const found = await lookAt(join(locks, entry));
    if (found !== undefined && !(await isAbandoned(found, clock.now())))
      return { old: [], isWhole: false };
  }
  const all = await temporaryIn(root);
  const old: string[] = [];
  for (const path of all) if (await isOld(path)) old.push(path);
  return { old, isWhole: old.length === all.length };
}

const marks = [temporaryMark, removedPrefix, ".probe-"];

/** A certificate may be named `www.tmp-1.example.com`, but no name that is kept begins with a dot. */
function isTemporary(name: string): boolean {
  return name.startsWith(".") && marks.some((mark) => name.includes(mark));
}

/** Versions are whole or temporary themselves, so their folders are not read. */
async function temporaryIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => []);
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (isTemporary(entry.name)) return [path];
      return entry.isDirectory() && !/^\d+$/.test(entry.name) ? temporaryIn(path) : [];
    }),
  );
  return found.flat();
}

async function isOld(path: string): Promise<boolean> {
  const found = await ifPresent(() => lstat(path));
  return found !== undefined && Date.now() - found.mtimeMs > 60_000;
}
