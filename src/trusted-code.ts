/** Root does not run code that another user could have written. */
import { lstat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * What of a path other users can change, the file or a folder above it, when acmectl runs as root; undefined if nothing. The
 * path is one without symbolic links.
 */
export async function changeableByOthers(path: string): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const parts = upwards(path);
  for (const [index, part] of parts.entries()) {
    const { mode } = await lstat(part);
    if ((mode & 0o002) === 0) continue;
    // In a sticky folder, such as /tmp, others cannot replace the files of root.
    const child = (mode & 0o1000) === 0 ? undefined : parts[index - 1];
    if (child === undefined) return part;
    if ((await lstat(child)).uid !== 0) return child;
  }
  return undefined;
}

function upwards(path: string): readonly string[] {
  return dirname(path) === path ? [path] : [path, ...upwards(dirname(path))];
}
