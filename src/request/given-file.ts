import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { systemReason } from "../errors.ts";
import { Problem } from "../problem.ts";

/** A file that the user gives. `named` is what it is, for the Problem when it cannot be read. */
export async function readGivenFile(path: string, named: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new Problem("usage", {
      detail: `${named} ${path} cannot be read: ${systemReason(cause)}.`,
      hint: "Give the path of a file that this user may read.",
      cause,
    });
  }
}

/** The folder of a file that is written later. `named` is the option, for the Problem when it does not exist. */
export async function assertFolderOf(path: string, named: string): Promise<void> {
  const folder = dirname(path);
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new Problem("usage", {
    detail: `${named}: the folder ${folder} ${found === undefined ? "does not exist" : "is not a directory"}.`,
    hint: `Create it: mkdir -p ${folder}`,
  });
}
