import { randomUUID } from "node:crypto";
import { Problem } from "../../problem.ts";
import { isCertificateFile, type CertificateFile } from "../folder/certificate-record.ts";
import { withoutAttempt } from "../folder/index/listing.ts";
import { isMeta } from "../folder/versions.ts";
import type { CertificateStatus } from "../certificate-status.ts";
import { hostsIn } from "../hosts.ts";
import { exactNames, patternOf, type Selection } from "../selection.ts";
import { openLocalFiles } from "../shared/local-files.ts";
import { swap } from "../shared/swap.ts";
import { heldParts } from "../shared/version.ts";
import type { BrokenCertificate, ListOptions, Store, StoredCertificate } from "../store.ts";
import { hostsColumn } from "./hosts.ts";
import type { Shared } from "./shared.ts";
import { nextKeys } from "./next-keys.ts";
import { commitVersion, keepRefused, readVersion, saveAlternate } from "./versions.ts";

/** Certificates: a row for each, and one for each of its versions. */
export function openCertificates(shared: Shared): Store["certificates"] {
  const { database, check } = shared;
  const version = (name: string) => readVersion(name, shared);
  const local = openLocalFiles({ ...shared, readVersion: version });
  const read = (name: string) => readStored(name, shared);
  return {
    async names() {
      await check();
      const sql = "SELECT name FROM acmectl.certificates WHERE request IS NOT NULL ORDER BY name";
      return (await database.rows<{ name: string }>(sql)).map(({ name }) => name);
    },
    read,
    list: (options = {}) => listed(shared, options),
    recall: () => Promise.resolve(undefined),
    note: () => Promise.resolve(),
    files: async (name, held) =>
      held === undefined ? local.write(await read(name)) : local.present(name, held),
    foreignFiles: async (name) => local.foreign(await read(name)),
    async saveRequest(request) {
      await check();
      await database.count(
        `INSERT INTO acmectl.certificates (name, request, status, revision)
         VALUES ($1, $2, '{"failures":0}', $3)
         ON CONFLICT (name) DO UPDATE SET request = excluded.request`,
        [request.name, JSON.stringify(request), randomUUID()],
      );
    },
    updateStatus: (name, change) => updateStatus(name, shared, change),
    commit: (name, version, lock) => commitVersion(name, version, lock, shared),
    keepRefused: (name, refused) => keepRefused(name, refused, shared),
    saveAlternate: (name, version, place, pem) =>
      saveAlternate({ name, version, place, pem }, shared),
    ...heldParts(version),
    ...nextKeys(shared),
    async remove(name) {
      await check();
      await database.transaction(async (statements) => {
        for (const table of ["next_keys", "refused", "deployments", "certificates"])
          await statements.count(`DELETE FROM acmectl.${table} WHERE name = $1`, [name]);
      });
      await local.remove(name);
    },
  };
}

interface Row {
  readonly name: string;
  readonly request: unknown;
  readonly status: CertificateStatus;
  readonly attempt: Details | null;
  readonly held: number | null;
  readonly meta: unknown;
  readonly hosts: unknown;
}
/** What lists leave out. */
type Details = Pick<NonNullable<CertificateStatus["lastAttempt"]>, "events" | "authorizations">;

const selection = (attempts: boolean) => `
SELECT certificate.name, request, status, ${attempts ? "attempt" : "NULL AS attempt"}, held, meta, ${hostsColumn}
FROM acmectl.certificates AS certificate
LEFT JOIN acmectl.versions AS version ON version.name = certificate.name AND version = held`;

async function readStored(name: string, shared: Shared): Promise<StoredCertificate | undefined> {
  await shared.check();
  const sql = `${selection(true)} WHERE certificate.name = $1`;
  const [row] = await shared.database.rows<Row>(sql, [name]);
  return row === undefined || row.request === null ? undefined : storedOf(row, shared);
}

const page = 500;

async function* listed(
  { database, check, ...shared }: Shared,
  { attempts = false, select }: ListOptions,
): AsyncIterable<StoredCertificate | BrokenCertificate> {
  await check();
  const where = conditionOf(select);
  const sql = `${selection(attempts)}
    WHERE certificate.name > $1 AND request IS NOT NULL AND ${where.sql} ORDER BY certificate.name LIMIT ${page}`;
  for (let after = ""; ;) {
    const rows = await database.rows<Row>(sql, [after, ...where.values]);
    for (const row of rows) {
      try {
        const one = storedOf(row, { ...shared, database });
        yield attempts ? one : withoutAttempt(one);
      } catch (problem) {
        if (!Problem.is(problem)) throw problem;
        yield { name: row.name, problem };
      }
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    after = last.name;
  }
}

/** Its values follow one that is there already. */
function conditionOf(select: readonly Selection[] = [{}]) {
  const values: unknown[] = [];
  const given = (value: unknown) => `$${values.push(value) + 1}`;
  const each = select.map(({ names, labels = {} }) => {
    const exact = names && exactNames(names);
    const isNamed =
      exact === undefined
        ? names && `certificate.name ~ ${given(patternOf(names))}`
        : `certificate.name = ANY(${given(exact)})`;
    const isLabelled =
      Object.keys(labels).length > 0 &&
      `(request -> 'labels')::jsonb @> ${given(JSON.stringify(labels))}::jsonb`;
    return [isNamed, isLabelled].filter(Boolean).join(" AND ") || "true";
  });
  return { sql: `(${each.join(" OR ") || "false"})`, values };
}

function storedOf(
  { name, request, status, attempt, held, meta, hosts }: Row,
  { database }: Pick<Shared, "database">,
): StoredCertificate {
  const record: Partial<CertificateFile> = { status: joined(status, attempt) };
  const whole = { ...record, request };
  if (!isCertificateFile(whole) || whole.request === undefined || (held !== null && !isMeta(meta)))
    throw new Problem("machine", {
      detail: `The record of the certificate ${name} in ${database.where} cannot be read.`,
      hint: "Restore the state from a backup, or delete the certificate and issue it again.",
      retryable: false,
    });
  return {
    name,
    request: whole.request,
    status: whole.status,
    held: held !== null && isMeta(meta) ? { version: held, meta } : undefined,
    hosts: hostsIn(hosts),
  };
}

async function updateStatus(
  name: string,
  { database, check }: Shared,
  change: (status: CertificateStatus) => CertificateStatus,
): Promise<CertificateStatus> {
  await check();
  const cell = {
    async read() {
      const [row] = await database.rows<Row & { revision: string }>(
        "SELECT status, attempt, revision FROM acmectl.certificates WHERE name = $1",
        [name],
      );
      const value = row === undefined ? { failures: 0 } : joined(row.status, row.attempt);
      return { value, revision: row?.revision };
    },
    async write(status: CertificateStatus, revision: string, before: string | undefined) {
      const { brief, details } = split(status);
      const values = [name, JSON.stringify(brief), details && JSON.stringify(details), revision];
      const changed =
        before === undefined
          ? await database.count(
              `INSERT INTO acmectl.certificates (name, status, attempt, revision)
               VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
              values,
            )
          : await database.count(
              `UPDATE acmectl.certificates SET status = $2, attempt = $3, revision = $4
               WHERE name = $1 AND revision = $5`,
              [...values, before],
            );
      return changed === 1;
    },
  };
  return swap(`${database.where} status ${name}`, cell, change);
}

function split(status: CertificateStatus): {
  brief: CertificateStatus;
  details: Details | undefined;
} {
  const { lastAttempt } = status;
  if (lastAttempt === undefined) return { brief: status, details: undefined };
  const { events, authorizations, ...attempt } = lastAttempt;
  const brief = { ...status, lastAttempt: { ...attempt, events: [] } };
  return { brief, details: { events, authorizations } };
}

function joined(status: CertificateStatus, details: Details | null): CertificateStatus {
  const { lastAttempt } = status;
  if (lastAttempt === undefined || details === null) return status;
  return { ...status, lastAttempt: { ...lastAttempt, ...details } };
}
