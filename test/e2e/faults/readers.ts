/**
 * A process with many readers of a certificate's `current`, which read until they are stopped. Every second one opens the
 * folder that the link points to, as a program does that works in it; the others open one file after the other by
 * the link, and again if the key was replaced meanwhile.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [, , folder = "", readers = ""] = process.argv;
const current = join(folder, "current");
const versions = new Set<string>();
const mismatched: string[] = [];
let reads = 0;
const over = new AbortController();
process.once("message", () => over.abort());

const all = Array.from({ length: Number(readers) }, (_, index) => readOften(index));
process.send?.("reading");
await Promise.all(all);
process.send?.({ mismatched, reads, versions: versions.size });

async function readOften(index: number): Promise<void> {
  while (!over.signal.aborted) {
    await sleep(Math.random() * 2000);
    await (index % 2 === 0 ? readFolder() : readFiles());
  }
}

async function readFolder(): Promise<void> {
  const place = await realpath(current);
  const [key, fullchain] = [await read(place, "privkey"), await read(place, "fullchain")];
  // Five versions are kept: a reader that is slower than five renewals begins anew.
  if (key !== undefined && fullchain !== undefined) look(key, fullchain);
}

async function readFiles(): Promise<void> {
  for (;;) {
    const key = await read(current, "privkey");
    const fullchain = await read(current, "fullchain");
    if (key !== (await read(current, "privkey"))) continue;
    if (key === undefined || fullchain === undefined) mismatched.push("a file was missing");
    else look(key, fullchain);
    return;
  }
}

async function read(place: string, file: string): Promise<string | undefined> {
  return readFile(join(place, `${file}.pem`), "utf8").catch(() => undefined);
}

function look(key: string, fullchain: string): void {
  const leaf = new X509Certificate(fullchain);
  if (!leaf.checkPrivateKey(createPrivateKey(key))) mismatched.push(leaf.serialNumber);
  versions.add(leaf.serialNumber);
  reads += 1;
}
