/** Folders with secrets outside the state, for the time of one run. */
import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning } from "./process.ts";

/** Make a folder that only this user can open. Its name has the id of this process. */
export function makeTemporaryFolder(purpose: "dry-run" | "deploy"): Promise<string> {
  return mkdtemp(join(tmpdir(), `acmectl-${purpose}-${process.pid}-`));
}

const named = /^acmectl-(?:dry-run|deploy)-(\d+)-/;

/** Remove those that killed runs left. What cannot be read or removed stays for the next run. */
export async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const pid = named.exec(name)?.[1];
    const path = join(tmpdir(), name);
    if (pid !== undefined && (await isAbandoned(path, Number(pid))))
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** An hour, because the process may be one of another container with the same temporary folder. */
async function isAbandoned(path: string, pid: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || !found.isDirectory()) return false;
  const isOurs = found.uid === (process.geteuid?.() ?? found.uid);
  return isOurs && Date.now() - found.mtimeMs > 3_600_000 && !isRunning(pid);
}
