/** The tables of the state: made and changed by numbered migrations, under a lock, each at most once. */
import { Problem } from "../../problem.ts";
import type { Database, Statements } from "./database.ts";
import { commandFor } from "../url.ts";
import { problemOf } from "./faults.ts";
import type { DatabasePlace } from "./place.ts";
import { sql as tables } from "./migrations/0001-tables.ts";
import { sql as index } from "./migrations/0002-index.ts";
import { sql as ledger } from "./migrations/0003-ledger.ts";

const migrations = [
  { number: 1, name: "tables", sql: tables },
  { number: 2, name: "index", sql: index },
  { number: 3, name: "ledger", sql: ledger },
] as const;
const newest = migrations.length;
const oldestServer = 13;

/** Rejects with a `machine` Problem unless the tables are those of this release. Asks once. */
export function schemaCheck(database: Pick<Database, "rows" | "where">): () => Promise<void> {
  let checked: Promise<void> | undefined;
  return async () => {
    checked ??= check(database);
    try {
      await checked;
    } catch (error) {
      checked = undefined;
      throw error;
    }
  };
}

async function check(database: Pick<Database, "rows" | "where">): Promise<void> {
  const found = await applied(database);
  const { where } = database;
  if (found === newest) return;
  if (found > newest) throw newer(where, found);
  throw new Problem("machine", {
    detail:
      found === 0
        ? `The state in ${where} has no acmectl tables yet.`
        : `The tables of the state in ${where} are of an older release (${found} of ${newest} migrations).`,
    hint: `${found === 0 ? "Create them" : "Bring them up to date"}: ${commandFor(where, "state init")}`,
    retryable: false,
  });
}

/** True when the tables are there, of whichever release. */
export async function hasTables(database: Statements): Promise<boolean> {
  return (await applied(database)) > 0;
}

/** Rejects when the user may not do on every table what a run does, or when nothing can be written. */
export async function checkRights(database: Database, place: DatabasePlace): Promise<void> {
  const [found] = await database.rows<{ read_only: boolean; tables: string | null }>(`
    SELECT current_setting('transaction_read_only')::boolean AS read_only,
      string_agg(tablename, ', ' ORDER BY tablename) FILTER (WHERE NOT (
        ${["SELECT", "INSERT", "UPDATE", "DELETE"].map(mayDo).join(" AND ")})) AS tables
    FROM pg_tables WHERE schemaname = 'acmectl' AND tablename <> 'migrations'`);
  if (found?.read_only === true) throw problemOf(withCode("25006"), place);
  if (typeof found?.tables === "string") throw problemOf(withCode("42501", found.tables), place);
}

const mayDo = (right: string) =>
  `has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), '${right}')`;

function withCode(code: string, message = ""): Error {
  return Object.assign(new Error(message), { code });
}

/** The number of the last migration; 0 when there is none. */
async function applied(database: Pick<Statements, "rows">): Promise<number> {
  const [found] = await database.rows<{ server: number; present: boolean }>(
    `SELECT current_setting('server_version_num')::integer AS server,
            to_regclass('acmectl.migrations') IS NOT NULL AS present`,
  );
  if (found !== undefined && found.server < oldestServer * 10_000) throw tooOld(found.server);
  if (found?.present !== true) return 0;
  const [last] = await database.rows<{ number: number }>(
    "SELECT coalesce(max(number), 0) AS number FROM acmectl.migrations",
  );
  return last?.number ?? 0;
}

/** Make or update the tables; answers the names of the migrations that were applied. */
export async function migrate(database: Database): Promise<readonly string[]> {
  return database.transaction(async (statements) => {
    // Held until the transaction ends, also behind a pooler that lends connections per transaction.
    await statements.rows("SELECT pg_advisory_xact_lock(hashtext('acmectl migrations'))");
    const before = await applied(statements);
    if (before > newest) throw newer(database.where, before);
    if (before === 0) await statements.rows(bookkeeping);
    const missing = migrations.filter(({ number }) => number > before);
    for (const { number, name, sql } of missing) {
      await statements.rows(sql);
      await statements.rows("INSERT INTO acmectl.migrations (number, name) VALUES ($1, $2)", [
        number,
        name,
      ]);
    }
    return missing.map(({ number, name }) => `${String(number).padStart(4, "0")}-${name}`);
  });
}

const bookkeeping = `
CREATE SCHEMA IF NOT EXISTS acmectl;
CREATE TABLE acmectl.migrations (
  number integer PRIMARY KEY,
  name text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
`;

/** What a worker needs, when another user has made the tables. */
export const grants: readonly string[] = [
  "GRANT USAGE ON SCHEMA acmectl TO acmectl_worker;",
  "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA acmectl TO acmectl_worker;",
  "REVOKE INSERT, UPDATE, DELETE ON acmectl.migrations FROM acmectl_worker;",
  "GRANT USAGE ON SEQUENCE acmectl.fence TO acmectl_worker;",
];

/** What a host needs that only pulls: it reads certificates, and records what it serves. */
export const hostGrants: readonly string[] = [
  "-- For a host that only pulls:",
  "GRANT USAGE ON SCHEMA acmectl TO acmectl_host;",
  "GRANT SELECT ON acmectl.migrations, acmectl.certificates, acmectl.versions TO acmectl_host;",
  "GRANT SELECT, INSERT, UPDATE ON acmectl.deployments TO acmectl_host;",
];

function tooOld(server: number): Problem {
  return new Problem("machine", {
    detail: `The PostgreSQL server is of version ${Math.floor(server / 10_000)}; acmectl needs ${oldestServer} or newer.`,
    hint: "Use a newer server for the state.",
    retryable: false,
  });
}

function newer(where: string, found: number): Problem {
  return new Problem("machine", {
    detail: `The tables of the state in ${where} were made by a newer acmectl (${found} migrations; this one knows ${newest}).`,
    hint: "Use that version of acmectl on every host.",
    retryable: false,
  });
}
