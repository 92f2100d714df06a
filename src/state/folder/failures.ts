import { Problem } from "../../problem.ts";

/** Do `work`; what the operating system refuses becomes a `machine` Problem that names `path` and the remedy. */
export async function attempt<T>(
  doing: string,
  path: string,
  work: () => Promise<T> | T,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageProblem(error, doing, path);
  }
}

/** The `errno` name of a failed system call, e.g. `ENOSPC`; undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("errno" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** True when the system call failed because there is no such file. */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function storageProblem(error: unknown, doing: string, path: string): unknown {
  const code = codeOf(error);
  if (code === undefined || Problem.is(error)) return error;
  const [why, hint] = remedies[code] ?? [
    error instanceof Error ? error.message : code,
    "Check the folder and its file system, or choose another state folder with --state DIR.",
  ];
  return new Problem("machine", {
    detail: `Cannot ${doing} ${path}: ${why} (${code}).`,
    hint: hint.replaceAll("{path}", path).replaceAll("{user}", userName()),
    cause: error,
  });
}

const permission =
  "acmectl runs as {user}: run it as the user that owns the state folder, or choose a folder of your own with --state DIR.";
const space = "or choose a state folder on another file system with --state DIR.";

const remedies: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ENOSPC: ["no space left on the device", `Free space or inodes (df -h, df -i), ${space}`],
  EDQUOT: ["the disk quota is used up", `Free space within the quota, ${space}`],
  EACCES: ["permission denied", permission],
  EPERM: ["the operation is not permitted", permission],
  EROFS: ["the file system is mounted read-only", `Mount it read-write, ${space}`],
  EIO: ["the disk reports an error", `Look at dmesg and the disk's health, ${space}`],
  ENOENT: [
    "the file or a folder above it is gone",
    "Did something remove it meanwhile? Run again; make the parent of --state DIR if it is missing.",
  ],
  ENOTDIR: [
    "a part of this path is a file, not a folder",
    "Move that file away, or choose another state folder with --state DIR.",
  ],
  EISDIR: ["a folder stands where a file belongs", "Move {path} away and run again."],
  ENOTEMPTY: ["a folder stands in the way", "Did two runs meet? Run again."],
  EEXIST: ["something stands in the way", "Move {path} away and run again."],
  ELOOP: [
    "a symbolic link stands where a file belongs",
    "See who made the link; remove it and run again.",
  ],
  EMFILE: ["too many files are open in this process", "Raise the limit (ulimit -n)."],
  ENFILE: ["too many files are open on this machine", "End other programs, then run again."],
  ENAMETOOLONG: ["the path is too long", "Choose a shorter --name or --state DIR."],
};

function userName(): string {
  const id = process.geteuid?.();
  return id === undefined ? "this user" : `user id ${id}`;
}
