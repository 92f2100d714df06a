/** Is there a program to run? Asked before an order is made. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, resolve } from "node:path";

export interface Surroundings {
  readonly directory: string;
  readonly path: string | undefined;
}

/** Why the program cannot be started, as a system's word (ENOENT, EACCES, EISDIR); undefined when it can. */
export async function runnable(program: string, { directory, path }: Surroundings) {
  const places = program.includes("/")
    ? [resolve(directory, program)]
    : (path ?? "/usr/bin:/bin")
        .split(delimiter)
        .map((folder) => resolve(directory, folder, program));
  let reason: string | undefined = "ENOENT";
  for (const place of places) {
    const found = await reasonFor(place, constants.X_OK);
    if (found === undefined) return undefined;
    if (found !== "ENOENT" && found !== "ENOTDIR") reason = found;
  }
  return reason;
}

/** The same for a file that is read. */
export function readable(file: string): Promise<string | undefined> {
  return reasonFor(file, constants.R_OK);
}

async function reasonFor(file: string, mode: number): Promise<string | undefined> {
  try {
    if ((await stat(file)).isDirectory()) return "EISDIR";
    await access(file, mode);
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}
