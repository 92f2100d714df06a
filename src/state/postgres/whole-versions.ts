/** All that is kept of a certificate's versions and of refused certificates, for a copy. */
import { isMeta } from "../folder/versions.ts";
import type { RefusedCertificate, WholeVersion } from "../store.ts";
import type { Shared } from "./shared.ts";
import { keyOf, type StoredPart } from "../shared/version.ts";
import { refusedKey } from "./versions.ts";

interface VersionRow {
  readonly version: number;
  readonly meta: unknown;
  readonly certificate: string;
  readonly chain: string;
  readonly private_key: string | null;
  readonly second: StoredPart | null;
  readonly alternates: Readonly<Record<string, string>>;
  readonly properties: string | null;
}

export async function wholeVersions(
  name: string,
  { database, check, sealing }: Shared,
): Promise<readonly WholeVersion[]> {
  await check();
  const rows = await database.rows<VersionRow>(
    `SELECT version, meta, certificate, chain, private_key, second, alternates, properties
     FROM acmectl.versions WHERE name = $1 ORDER BY version`,
    [name],
  );
  return rows.flatMap(({ version: number, meta, second, ...row }) => {
    if (!isMeta(meta)) return [];
    const { certificate, chain, private_key: key, alternates, properties } = row;
    const opened = (sealed: string | null | undefined, type?: string) =>
      sealed == null ? undefined : sealing.open(sealed, keyOf(name, number, type));
    return [
      {
        number,
        meta,
        certificate,
        chain,
        privateKey: opened(key),
        second:
          second === null
            ? undefined
            : { ...second, privateKey: opened(second.privateKey, meta.second?.keyType) },
        ...formsOf(alternates),
        properties: properties ?? undefined,
      },
    ];
  });
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

export async function refusedOf(
  name: string,
  { database, check, sealing }: Shared,
): Promise<readonly RefusedCertificate[]> {
  await check();
  const rows = await database.rows<{
    number: number;
    facts: Omit<RefusedCertificate, "pem" | "privateKey">;
    pem: string;
    private_key: string | null;
  }>(
    "SELECT number, facts, pem, private_key FROM acmectl.refused WHERE name = $1 ORDER BY number",
    [name],
  );
  return rows.map(({ number, facts, pem, private_key: key }) => ({
    ...facts,
    pem,
    privateKey: key === null ? undefined : sealing.open(key, refusedKey(name, number)),
  }));
}
