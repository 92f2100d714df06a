import { messageOf } from "../../errors.ts";

/** The stored keys cannot be read. When `file` is removed, new ones are created. */
export class UnreadableAuthority extends Error {
  readonly file: string;

  constructor(file: string, cause: unknown) {
    super(`The test CA's keys in ${file} cannot be read: ${messageOf(cause)}`, { cause });
    this.name = "UnreadableAuthority";
    this.file = file;
  }
}
