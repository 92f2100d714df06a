/** The stored keys cannot be read. When `file` is removed, new ones are created. */
export class UnreadableAuthority extends Error {
  readonly file: string;

  constructor(file: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`The test CA's keys in ${file} cannot be read: ${why}`, { cause });
    this.name = "UnreadableAuthority";
    this.file = file;
  }
}
