/** All that is kept of a certificate's versions and of refused certificates, for a copy. */
import { isMeta } from "../folder/versions.ts";
import type { RefusedCertificate, WholeVersion } from "../store.ts";
import type { Shared } from "./shared.ts";
import type { StoredPart } from "../shared/version.ts";
import { openWholeVersion } from "../shared/whole-version.ts";
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
  return rows.flatMap(({ version: number, meta, private_key: privateKey, ...row }) =>
    isMeta(meta) ? [openWholeVersion(name, { ...row, number, meta, privateKey }, sealing)] : [],
  );
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
