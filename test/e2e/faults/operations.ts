/** One change to the files of a folder, in the order in which they were done. */
export interface Operation {
  readonly do: "chmod" | "create" | "mkdir" | "remove" | "rename" | "symlink" | "sync" | "write";
  readonly path: string;
  /** Of a rename. */
  readonly from?: string;
  readonly target?: string;
  /** Base64. */
  readonly content?: string;
}
