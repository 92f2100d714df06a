import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A folder of a test's own, removed by `await using`. */
export async function temporaryFolder(
  prefix = "acmectl-",
): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Run openssl; its output. Rejects when it fails. */
export async function openssl(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)("openssl", [...args]);
  return stdout + stderr;
}
