/** File systems for tests: what a full, a small or a read-only disk does. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Mounting takes root, and not every container allows it. */
export const mayMount = ((): boolean => {
  if (process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(join(tmpdir(), "mount-"));
  const { status } = spawnSync("mount", ["-t", "tmpfs", "tmpfs", folder]);
  if (status === 0) spawnSync("umount", [folder]);
  rmdirSync(folder);
  return status === 0;
})();

/** A change to the machine: how to put it right, and at the end of the test to undo it. */
export interface Made extends Disposable {
  putRight(): void;
}

export function made(putRight: () => void, undo: () => void = () => {}): Made {
  return { putRight, [Symbol.dispose]: undo };
}

/** A tmpfs there; put right, it has room. */
export function mounted(folder: string, options: string, isFilled = false): Made {
  mkdirSync(folder);
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
  if (isFilled) fill(folder);
  const putRight = () => {
    rmSync(join(folder, filler), { force: true });
    execFileSync("mount", ["-o", "remount,rw,size=10m,nr_inodes=10k", folder]);
  };
  return made(putRight, () => unmount(folder));
}

export function unmount(folder: string): void {
  execFileSync("umount", ["-l", folder]);
}

const filler = "filler";

export function fill(folder: string): void {
  spawnSync("dd", ["if=/dev/zero", `of=${join(folder, filler)}`], { stdio: "ignore" });
}
