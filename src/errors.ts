/** What can be read from anything that was thrown. */

/** The code of a Node.js error: an `errno` name such as `ENOENT`, or Node's own such as `ERR_TLS_CERT_ALTNAME_INVALID`; "" for any other. */
export function codeOf(error: unknown): string {
  // Node.js tries IPv6 and IPv4 and gives one error for both.
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}

/** The message of an error; anything else as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a failed system call says in words, for the middle of a sentence; the error's own message for an unknown code. */
export function systemReason(error: unknown): string {
  return reasons[codeOf(error)] ?? messageOf(error);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  ENOTDIR: "a part of the path is a file, not a directory",
  EISDIR: "it is a directory",
  EACCES: "permission denied",
  EPERM: "the operation is not permitted",
  EROFS: "the file system is mounted read-only",
  ENOSPC: "no space left on the device",
  EDQUOT: "the disk quota is used up",
  EIO: "the disk reports an error",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "too many open files",
};
