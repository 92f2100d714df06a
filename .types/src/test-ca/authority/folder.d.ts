import { type Authority } from "./authority.ts";
/** The stored keys cannot be read. When `file` is removed, new ones are created. */
export declare class UnreadableAuthority extends Error {
  readonly file: string;
  constructor(file: string, cause: unknown);
}
/**
 * Loads the authority from `folder`, or creates one there: `authority.json` (0600) has the keys, `root.pem` is
 * the trust anchor. Two processes that start at once use the same authority. Rejects with `UnreadableAuthority`, or as the
 * file system does.
 */
export declare function openAuthority(folder: string, now: Date): Promise<Authority>;
