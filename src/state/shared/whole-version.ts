import type { Sealing } from "../sealing.ts";
import type { WholeVersion } from "../store.ts";
import { keyOf, type StoredVersion } from "./version.ts";

/** As it is stored. */
export interface StoredWholeVersion extends StoredVersion {
  readonly alternates?: Readonly<Record<string, string>> | undefined;
  readonly properties?: string | null | undefined;
}

/** All that is kept of a version, with its keys decrypted, for a copy. */
export function openWholeVersion(
  name: string,
  {
    number,
    meta,
    certificate,
    chain,
    privateKey,
    second,
    alternates = {},
    properties,
  }: StoredWholeVersion,
  sealing: Sealing,
): WholeVersion {
  const opened = (sealed: string | null | undefined, type?: string) =>
    sealed == null ? undefined : sealing.open(sealed, keyOf(name, number, type));
  return {
    number,
    meta,
    certificate,
    chain,
    privateKey: opened(privateKey),
    second: second
      ? { ...second, privateKey: opened(second.privateKey, meta.second?.keyType) }
      : undefined,
    ...formsOf(alternates),
    properties: properties ?? undefined,
  };
}

/** `1`, `2` … came with the certificate, `optional-1` … later. */
function formsOf(
  all: Readonly<Record<string, string>>,
): Pick<WholeVersion, "alternates" | "added"> {
  const entries = Object.entries(all);
  const added = entries.flatMap(([key, pem]) => {
    const place = /^optional-(\d+)$/.exec(key)?.[1];
    return place === undefined ? [] : [[place, pem] as const];
  });
  const first = entries
    .filter(([key]) => /^\d+$/.test(key))
    .toSorted(([a], [b]) => Number(a) - Number(b));
  return { alternates: first.map(([, pem]) => pem), added: Object.fromEntries(added) };
}
