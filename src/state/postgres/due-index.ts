/** Finds what is due without reading the rest: two times in each row, written with whatever changes them. */
import type { BrokenCertificate, Store, StoredCertificate } from "../store.ts";
import { isBefore, nowBefore } from "../shared/due.ts";
import type { Shared } from "./shared.ts";
import { selection, storedOrBroken, type Row } from "./stored.ts";

type Index = Pick<Store["certificates"], "due" | "nextDue" | "count">;

export function openIndex(shared: Shared): Index {
  const { database, check } = shared;
  return {
    due: (before) => dueBefore(before, shared),
    async nextDue(time) {
      await check();
      const [row] = await database.rows<{ name: string; due: Date }>(
        `SELECT name, due FROM acmectl.certificates
         WHERE request IS NOT NULL AND due >= $1 ORDER BY due, name LIMIT 1`,
        [time.toISOString()],
      );
      return row && { name: row.name, at: row.due };
    },
    async count() {
      await check();
      const sql = "SELECT count(*)::integer AS count FROM acmectl.certificates";
      const rows = await database.rows<{ count: number }>(`${sql} WHERE request IS NOT NULL`);
      return rows[0]?.count ?? 0;
    },
  };
}

/** The values of the columns `due` and `look`. What cannot be read is looked at by each run. */
export function indexValues(
  certificate: StoredCertificate | BrokenCertificate,
  { indexOf, clock }: Pick<Shared, "indexOf" | "clock">,
): readonly [due: string | undefined, look: string | undefined] {
  if ("problem" in certificate) return [unknown, undefined];
  const { due, look } = indexOf(certificate, clock.now());
  return [due && textOf(due), look && textOf(look)];
}

const unknown = "-infinity";

function textOf(time: Date): string {
  return Number.isNaN(time.getTime()) ? unknown : time.toISOString();
}

const page = 500;

async function* dueBefore(
  { due, look }: Parameters<Index["due"]>[0],
  shared: Shared,
): AsyncIterable<StoredCertificate | BrokenCertificate> {
  const { database, check, clock } = shared;
  await check();
  const found = await database.rows<{ name: string }>(
    `SELECT name FROM acmectl.certificates
     WHERE request IS NOT NULL AND (due < $1 OR look < $2) ORDER BY due, name`,
    [due.toISOString(), look.toISOString()],
  );
  for (let at = 0; at < found.length; at += page) {
    const names = found.slice(at, at + page).map(({ name }) => name);
    const rows = await database.rows<Row & { revision: string }>(
      `${selection(false)} WHERE certificate.name = ANY($1)`,
      [names],
    );
    const stored = new Map(rows.map((row) => [row.name, storedOrBroken(row, database)] as const));
    const early = new Set<string>();
    for (const name of names) {
      const one = stored.get(name);
      if (one === undefined) continue;
      const entry = "problem" in one ? undefined : shared.indexOf(one, nowBefore(due, clock));
      if (entry === undefined || isBefore(entry.due, due) || isBefore(entry.look, look)) yield one;
      else early.add(name);
    }
    await correct(
      rows.filter(({ name }) => early.has(name)),
      stored,
      shared,
    );
  }
}

/** Rows that were not indexed yet. Another run's change since is not overwritten. */
async function correct(
  rows: readonly (Row & { readonly revision: string })[],
  stored: ReadonlyMap<string, StoredCertificate | BrokenCertificate>,
  shared: Shared,
): Promise<void> {
  const values = rows.flatMap(({ name, revision }) => {
    const one = stored.get(name);
    return one === undefined ? [] : [{ name, revision, times: indexValues(one, shared) }];
  });
  if (values.length === 0) return;
  await shared.database.count(
    `UPDATE acmectl.certificates AS certificate SET due = entry.due, look = entry.look
     FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
       AS entry (name, revision, due, look)
     WHERE certificate.name = entry.name AND certificate.revision = entry.revision`,
    [
      values.map(({ name }) => name),
      values.map(({ revision }) => revision),
      values.map(({ times: [due] }) => due ?? null),
      values.map(({ times: [, look] }) => look ?? null),
    ],
  );
}
