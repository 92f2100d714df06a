/** Who asks Cloudflare, and how failures are told. */
import type { Api } from "./client.ts";
import { problemOf } from "./errors.ts";
import type { Zone } from "./zones.ts";

export interface Party {
  readonly api: Api;
  /** Whose credentials it sends, for people. */
  readonly identity: string;
  /** A token can be asked what it is; a key cannot. */
  readonly isToken: boolean;
}

/** Does the work, or rejects with a Problem that says what was being done and as whom. */
export async function explaining<T>(
  party: Party,
  doing: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw problemOf(error, { doing, identity: party.identity }, signal);
  }
}

/** `example.com (023e…)`, or the id alone. */
export function zoneText({ id, name }: Zone): string {
  return name === undefined ? id : `${name} (${id})`;
}
