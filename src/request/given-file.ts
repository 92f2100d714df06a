import { readFile } from "node:fs/promises";
import { Problem } from "../problem.ts";

/** A file that the user names. `named` says as what, for the Problem when it cannot be read. */
export async function readGivenFile(path: string, named: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    throw new Problem("usage", {
      detail: `${named} ${path} ${reasons[code] ?? `cannot be read (${code || String(cause)})`}.`,
      hint: "Give the path of a file that this user may read.",
      cause,
    });
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  ENOTDIR: "does not exist",
  EACCES: "may not be read by this user",
  EPERM: "may not be read by this user",
  EISDIR: "is a folder",
};
