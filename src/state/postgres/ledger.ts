/** What counts for the limits of each CA, once for all workers: a row for each entry, and one with the pauses of a CA. */
import { randomUUID } from "node:crypto";
import { inTurn } from "../folder/locks/locks.ts";
import { fits, ledgerShape } from "../folder/shape.ts";
import {
  type About,
  endOf,
  type Ledger,
  type LedgerEntry,
  subjectsAbout,
  subjectsOf,
} from "../ledger.ts";
import type { Store } from "../store.ts";
import type { Statements } from "./database.ts";
import type { Shared } from "./shared.ts";

export function openLedger({ database, check }: Shared): Store["ledger"] {
  return {
    async read(directory, about) {
      await check();
      return (await readLedger(directory, about, database)).ledger;
    },
    async update(directory, change, about) {
      await check();
      const id = randomUUID();
      let done: Ledger | undefined;
      // Changes by this process would otherwise wait for each other with a connection each.
      return inTurn(`${database.where} ledger ${directory}`, () =>
        database.transaction(async (statements) => {
          await lockRow(directory, statements);
          // The connection was lost after this transaction had been committed.
          if (done !== undefined && (await isKnown(id, statements))) return done;
          const before = await readLedger(directory, about, statements);
          const after = await change(before.ledger);
          await write({ directory, id, before, after }, statements);
          return (done = after);
        }),
      );
    },
  };
}

/** Serializes the workers until the transaction ends. */
async function lockRow(directory: string, statements: Statements): Promise<void> {
  const sql = "SELECT FROM acmectl.ledgers WHERE directory = $1 FOR UPDATE";
  if ((await statements.rows(sql, [directory])).length > 0) return;
  const inserted = `INSERT INTO acmectl.ledgers (directory, ledger, revision) VALUES ($1, $2, '')
    ON CONFLICT DO NOTHING`;
  await statements.count(inserted, [directory, JSON.stringify(empty)]);
  await statements.rows(sql, [directory]);
}

async function isKnown(id: string, statements: Statements): Promise<boolean> {
  const sql = "SELECT FROM acmectl.ledger_entries WHERE change = $1 LIMIT 1";
  return (await statements.rows(sql, [id])).length > 0;
}

interface Read {
  readonly ledger: Ledger;
  /** Of the rows. */
  readonly ids: ReadonlyMap<LedgerEntry, string>;
}

async function readLedger(
  directory: string,
  about: About | undefined,
  statements: Statements,
): Promise<Read> {
  const [row] = await statements.rows<{ ledger: unknown }>(
    "SELECT ledger FROM acmectl.ledgers WHERE directory = $1",
    [directory],
  );
  const { pauses, clock } = isLedger(row?.ledger) ? row.ledger : empty;
  const ids = new Map<LedgerEntry, string>();
  for (const { id, entry } of await rowsAbout(directory, about, statements)) {
    const one = { entries: [entry], pauses: [] };
    if (isLedger(one)) for (const known of one.entries) ids.set(known, id);
  }
  return { ledger: { entries: [...ids.keys()], pauses, clock }, ids };
}

async function rowsAbout(directory: string, about: About | undefined, statements: Statements) {
  if (about?.events.length === 0) return [];
  const subjects = about && [...(await subjectsAbout(about)), "*"];
  const condition = subjects === undefined ? "" : "AND subjects && $2";
  return statements.rows<{ id: string; entry: unknown }>(
    `SELECT id, entry FROM acmectl.ledger_entries WHERE directory = $1 ${condition} ORDER BY id`,
    subjects === undefined ? [directory] : [directory, subjects],
  );
}

interface Change {
  readonly directory: string;
  readonly id: string;
  readonly before: Read;
  readonly after: Ledger;
}

async function write(
  { directory, id, before, after }: Change,
  statements: Statements,
): Promise<void> {
  const kept = new Set(after.entries);
  const removed = [...before.ids].flatMap(([entry, row]) => (kept.has(entry) ? [] : [row]));
  if (removed.length > 0)
    await statements.count("DELETE FROM acmectl.ledger_entries WHERE id = ANY($1)", [removed]);
  const added = after.entries.filter((entry) => !before.ids.has(entry));
  if (added.length > 0) await insert(directory, id, added, statements);
  const heads = [before.ledger, after].map(({ pauses, clock }) =>
    JSON.stringify({ entries: [], pauses, clock }),
  );
  if (heads[0] !== heads[1])
    await statements.count("UPDATE acmectl.ledgers SET ledger = $2 WHERE directory = $1", [
      directory,
      heads[1],
    ]);
}

async function insert(
  directory: string,
  id: string,
  entries: readonly LedgerEntry[],
  statements: Statements,
): Promise<void> {
  const rows = entries.map(async (entry) => ({
    entry: JSON.stringify(entry),
    subjects: await subjectsOf(entry),
    end: textOf(endOf(entry)),
  }));
  await statements.count(inserted, [directory, id, JSON.stringify(await Promise.all(rows))]);
}

/** A time that cannot be read does not count for long. */
function textOf(end: Date): string {
  return Number.isNaN(end.getTime()) ? new Date().toISOString() : end.toISOString();
}

/** What has ended is removed on the way, but not by two at once. */
const inserted = `
WITH ended AS (
  DELETE FROM acmectl.ledger_entries WHERE id IN (
    SELECT id FROM acmectl.ledger_entries WHERE ends_at < now() LIMIT 1000 FOR UPDATE SKIP LOCKED)
)
INSERT INTO acmectl.ledger_entries (directory, subjects, entry, change, ends_at)
SELECT $1, ARRAY(SELECT jsonb_array_elements_text(row -> 'subjects')), (row ->> 'entry')::json, $2,
  (row ->> 'end')::timestamptz
FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY AS given (row, place) ORDER BY place`;

const empty: Ledger = { entries: [], pauses: [] };

function isLedger(value: unknown): value is Ledger {
  return fits(value, ledgerShape);
}
