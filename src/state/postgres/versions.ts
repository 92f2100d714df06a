/** The versions of a certificate: each is one row, put to use by the transaction that writes it. */
import { randomUUID } from "node:crypto";
import type { VersionMeta } from "../../certificate.ts";
import { isMeta, keptVersions } from "../folder/versions.ts";
import { keyOf, openVersion, type StoredPart, type Version } from "../shared/version.ts";
import type { HeldCertificate, Lock, NewVersion, RefusedCertificate } from "../store.ts";
import type { Statements } from "./database.ts";
import { assertLease, fenced, fencedCount } from "./leases.ts";
import type { Shared } from "./shared.ts";
import { notify } from "./notices.ts";
import { indexValues } from "./due-index.ts";
import { storedOrBroken, type Row } from "./stored.ts";

/** Key, certificate and chain become the held version together, if the lease is still this run's when they do. */
export async function commitVersion(
  name: string,
  version: NewVersion,
  lock: Lock,
  shared: Shared,
): Promise<HeldCertificate> {
  const { database, check } = shared;
  await check();
  const { meta } = version;
  const { token } = lock;
  if (token === undefined) await lock.assertHeld();
  const number = await database.transaction(async (statements) => {
    if (token !== undefined) await assertLease(statements, lock.name, token);
    const [row] = await statements.rows<Omit<Row, "name" | "hosts">>(locked, [name]);
    // The connection was lost after this transaction had been committed.
    if (row?.held != null && isSame(row.meta, version)) return row.held;
    const [last] = await statements.rows<{ next: number }>(nextNumber, [name]);
    const next = last?.next ?? 1;
    await insertVersion(statements, name, next, version, { token, sealing: shared.sealing });
    const after =
      row == null || row.request === null
        ? undefined
        : storedOrBroken({ ...row, name, held: next, meta, hosts: null }, database);
    await statements.rows(
      `WITH updated AS (
         UPDATE acmectl.certificates SET held = $2, due = $3, look = $4, revision = $5
         WHERE name = $1 RETURNING name)
       SELECT ${notify("'versions'")} FROM updated`,
      [name, next, ...(after ? indexValues(after, shared) : [undefined, undefined]), randomUUID()],
    );
    await statements.count("DELETE FROM acmectl.versions WHERE name = $1 AND version <= $2", [
      name,
      next - keptVersions,
    ]);
    return next;
  });
  return { version: number, meta };
}

/** Makes the certificate's row if there is none, and locks it. */
const locked = `
WITH certificate AS (
  INSERT INTO acmectl.certificates AS certificate (name, status, revision)
  VALUES ($1, '{"failures":0}', gen_random_uuid()::text)
  ON CONFLICT (name) DO UPDATE SET name = certificate.name
  RETURNING name, request, status, held
)
SELECT request, status, NULL AS attempt, held, meta FROM certificate
LEFT JOIN acmectl.versions AS version ON version.name = certificate.name AND version = held`;

const nextNumber = `
SELECT coalesce(max(version), 0) + 1 AS next FROM acmectl.versions WHERE name = $1`;

function isSame(meta: unknown, version: NewVersion): boolean {
  return isMeta(meta) && JSON.stringify(meta) === JSON.stringify(version.meta);
}

async function insertVersion(
  statements: Statements,
  name: string,
  number: number,
  version: NewVersion,
  { token, sealing }: Pick<Shared, "sealing"> & { token: string | undefined },
): Promise<void> {
  const { privateKey, certificate, chain, alternates = [], properties, meta, second } = version;
  const sealedKey = (key: string | undefined, what: ReturnType<typeof keyOf>) =>
    key === undefined ? undefined : sealing.seal(key, what);
  const type = meta.second?.keyType;
  const other = second && {
    ...second,
    privateKey: sealedKey(second.privateKey, keyOf(name, number, type)),
  };
  const others = alternates.map((pem, index) => [`${index + 1}`, pem] as const);
  await statements.count(
    `INSERT INTO acmectl.versions
       (name, version, meta, certificate, chain, private_key, second, alternates, properties, fence)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      name,
      number,
      JSON.stringify(meta),
      certificate,
      chain,
      sealedKey(privateKey, keyOf(name, number)),
      other && JSON.stringify(other),
      JSON.stringify(Object.fromEntries(others)),
      properties,
      token,
    ],
  );
}

/** The held version. */
export async function readVersion(
  name: string,
  { database, check, sealing }: Pick<Shared, "database" | "check" | "sealing">,
): Promise<Version | undefined> {
  await check();
  const [row] = await database.rows<VersionRow>(
    `SELECT version, meta, certificate, chain, private_key, second
     FROM acmectl.certificates AS certificate
     JOIN acmectl.versions AS version ON version.name = certificate.name AND version = held
     WHERE certificate.name = $1`,
    [name],
  );
  if (row === undefined) return undefined;
  const { version: number, private_key: privateKey, ...parts } = row;
  return openVersion(name, { ...parts, number, privateKey }, sealing);
}

/** Keep another form of a version's certificate. */
export async function saveAlternate(
  { name, version, place, pem }: { name: string; version: number; place: number; pem: string },
  shared: Shared,
): Promise<void> {
  const sql = `
    UPDATE acmectl.versions SET alternates =
      (alternates::jsonb || jsonb_build_object($3::text, $4::text))::json
    WHERE name = $1 AND version = $2`;
  await fencedCount({ name, sql, values: [name, version, `optional-${place}`, pem] }, shared);
}

interface VersionRow {
  readonly version: number;
  readonly meta: VersionMeta;
  readonly certificate: string;
  readonly chain: string;
  readonly private_key: string | null;
  readonly second: StoredPart | null;
}

export const refusedKey = (name: string, version: number) => ({
  kind: "refused certificate key",
  name,
  version,
});

/** Keep a refused certificate with its key; answers where. */
export async function keepRefused(
  name: string,
  { pem, privateKey, ...facts }: RefusedCertificate,
  shared: Shared,
): Promise<string> {
  const { database, sealing } = shared;
  const text = JSON.stringify(facts);
  const number = await fenced(name, shared, async (statements) => {
    // The connection was lost after this transaction had been committed.
    const [known] = await statements.rows<{ number: number }>(
      "SELECT number FROM acmectl.refused WHERE name = $1 AND facts::text = $2",
      [name, text],
    );
    if (known !== undefined) return known.number;
    const [last] = await statements.rows<{ next: number }>(
      "SELECT coalesce(max(number), 0) + 1 AS next FROM acmectl.refused WHERE name = $1",
      [name],
    );
    const next = last?.next ?? 1;
    const key =
      privateKey === undefined ? undefined : sealing.seal(privateKey, refusedKey(name, next));
    await statements.count(
      `INSERT INTO acmectl.refused (name, number, facts, pem, private_key)
       VALUES ($1, $2, $3, $4, $5)`,
      [name, next, text, pem, key],
    );
    return next;
  });
  return `${database.where} (acmectl.refused, ${name}, number ${number})`;
}
