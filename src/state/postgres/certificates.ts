import { randomUUID } from "node:crypto";
import { withoutAttempt } from "../folder/index/listing.ts";
import { fits } from "../folder/shape.ts";
import { markOf, openNamesakes, type Marked } from "../namesakes.ts";
import type { CertificateStatus } from "../certificate-status.ts";
import { exactNames, patternOf, type Selection } from "../selection.ts";
import { openLocalFiles } from "../shared/local-files.ts";
import { swap } from "../shared/swap.ts";
import { heldParts } from "../shared/version.ts";
import type { BrokenCertificate, ListOptions, Store, StoredCertificate } from "../store.ts";
import type { Shared } from "./shared.ts";
import { indexValues, openIndex } from "./due-index.ts";
import { keepHeapSmall } from "../../small-heap.ts";
import { fenced, fencedCount } from "./leases.ts";
import { nextKeys } from "./next-keys.ts";
import { joined, selection, split, storedOf, storedOrBroken, type Row } from "./stored.ts";
import { commitVersion, keepRefused, readVersion, saveAlternate } from "./versions.ts";
import { refusedOf, wholeVersions } from "./whole-versions.ts";

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
    namesakes: openNamesakes(() => marked(shared)),
    ...openIndex(shared),
    recall: () => Promise.resolve(undefined),
    note: () => Promise.resolve(),
    files: async (name, held) =>
      held === undefined ? local.write(await read(name)) : local.present(name, held),
    foreignFiles: async (name) => local.foreign(await read(name)),
    async saveRequest(request) {
      const { name } = request;
      const values = [name, JSON.stringify(request), randomUUID()];
      await fencedCount({ name, sql: savedRequest, values }, shared);
    },
    updateStatus: (name, change) => updateStatus(name, shared, change),
    commit: (name, version, lock) => commitVersion(name, version, lock, shared),
    keepRefused: (name, refused) => keepRefused(name, refused, shared),
    versions: (name) => wholeVersions(name, shared),
    refused: (name) => refusedOf(name, shared),
    saveAlternate: (name, version, place, pem) =>
      saveAlternate({ name, version, place, pem }, shared),
    ...heldParts(version),
    ...nextKeys(shared),
    async remove(name) {
      await fenced(name, shared, async (statements) => {
        for (const table of ["next_keys", "refused", "deployments", "certificates"])
          await statements.count(`DELETE FROM acmectl.${table} WHERE name = $1`, [name]);
      });
      await local.remove(name);
    },
  };
}

async function readStored(name: string, shared: Shared): Promise<StoredCertificate | undefined> {
  await shared.check();
  const sql = `${selection(true)} WHERE certificate.name = $1`;
  const [row] = await shared.database.rows<Row>(sql, [name]);
  return row === undefined || row.request === null ? undefined : storedOf(row, shared.database);
}

const savedRequest = `
INSERT INTO acmectl.certificates (name, request, status, revision)
VALUES ($1, $2, '{"failures":0}', $3)
ON CONFLICT (name) DO UPDATE
SET request = excluded.request, due = '-infinity', revision = excluded.revision`;

const page = 500;

async function* listed(
  { database, check }: Shared,
  { attempts = false, select, mentions }: ListOptions,
): AsyncIterable<StoredCertificate | BrokenCertificate> {
  await check();
  const where = conditionOf(select, mentions);
  const sql = `${selection(attempts)}
    WHERE certificate.name > $1 AND request IS NOT NULL AND ${where.sql} ORDER BY certificate.name LIMIT ${page}`;
  for (let after = ""; ;) {
    const rows = await database.rows<Row>(sql, [after, ...where.values]);
    if (rows.length === page) keepHeapSmall();
    for (const row of rows) {
      const one = storedOrBroken(row, database);
      yield attempts || "problem" in one ? one : withoutAttempt(one);
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    after = last.name;
  }
}

/** The names alone, since a run that orders looks at those of all certificates. */
async function* marked({
  database,
  check,
}: Pick<Shared, "database" | "check">): AsyncGenerator<Marked> {
  await check();
  const sql = `SELECT name, request -> 'identifiers' AS identifiers FROM acmectl.certificates
    WHERE name > $1 AND request IS NOT NULL ORDER BY name LIMIT ${page}`;
  for (let after = ""; ;) {
    const rows = await database.rows<{ name: string; identifiers: unknown }>(sql, [after]);
    for (const { name, identifiers } of rows)
      if (isList(identifiers)) yield { name, mark: markOf(identifiers) };
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    after = last.name;
  }
}

function isList(value: unknown): value is readonly { readonly value: string }[] {
  return fits(value, [{ value: "string" }]);
}

/** Its values follow one that is there already. */
function conditionOf(select: readonly Selection[] = [{}], mentions?: readonly string[]) {
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
  const selected = `(${each.join(" OR ") || "false"})`;
  if (mentions === undefined) return { sql: selected, values };
  const texts = mentions.map((text) => JSON.stringify(text).slice(1, -1));
  const mentioned = `EXISTS (SELECT FROM unnest(${given(texts)}::text[]) AS text WHERE position(text IN request::text) > 0)`;
  return { sql: `${selected} AND ${mentioned}`, values };
}

async function updateStatus(
  name: string,
  shared: Shared,
  change: (status: CertificateStatus) => CertificateStatus,
): Promise<CertificateStatus> {
  const { database, check, assertHeld } = shared;
  await check();
  let row: (Row & { readonly revision: string }) | undefined;
  const cell = {
    async read() {
      const rows = await database.rows<Row & { revision: string }>(
        `${selection(true)} WHERE certificate.name = $1`,
        [name],
      );
      row = rows[0];
      const value = row === undefined ? { failures: 0 } : joined(row.status, row.attempt);
      return { value, revision: row?.revision };
    },
    async write(status: CertificateStatus, revision: string, before: string | undefined) {
      const { brief, details } = split(status);
      const values = [name, JSON.stringify(brief), details && JSON.stringify(details), revision];
      if (row === undefined || before === undefined)
        return (await database.count(inserted, values)) === 1;
      const after = storedOrBroken({ ...row, status, attempt: null }, database);
      const index = row.request === null ? [undefined, undefined] : indexValues(after, shared);
      return (await database.count(updated, [...values, before, ...index])) === 1;
    },
  };
  return swap(`${database.where} status ${name}`, cell, async (status) => {
    await assertHeld(`certificate:${name}`);
    return change(status);
  });
}

const inserted = `
INSERT INTO acmectl.certificates (name, status, attempt, revision)
VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`;

const updated = `
UPDATE acmectl.certificates SET status = $2, attempt = $3, revision = $4, due = $6, look = $7
WHERE name = $1 AND revision = $5`;
