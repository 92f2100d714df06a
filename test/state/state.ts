/** Stores for tests, on temporary state folders. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { systemClock, type Clock } from "../../src/clock.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import type { Store } from "../../src/state/store.ts";

export interface Opened {
  store: Store;
  root: string;
  warnings: string[];
}

/** A store on a folder that does not exist yet, below a temporary one that goes with the test. */
export async function openStore(clock: Clock = systemClock): Promise<Opened> {
  const parent = await mkdtemp(join(tmpdir(), "acmectl-store-"));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  return openAt(join(parent, "state"), clock);
}

export function openAt(root: string, clock: Clock = systemClock): Opened {
  const warnings: string[] = [];
  const log = { debug() {}, info() {}, warn: (message: string) => void warnings.push(message) };
  return { store: openFolderStore(root, { log, clock }), root, warnings };
}

/** Everything below a folder, as sorted relative paths; what is seen through `current` is left out. */
export async function tree(root: string): Promise<string[]> {
  const paths = await readdir(root, { recursive: true });
  return paths.filter((path) => path !== ".swept" && !/\bcurrent\//.test(path)).toSorted();
}

export const never: AbortSignal = new AbortController().signal;
