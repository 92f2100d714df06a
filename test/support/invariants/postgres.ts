/** A state in PostgreSQL as a test sees it from outside: by SQL, and not by acmectl's own store. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { Client } from "pg";
import { codeOf } from "../../../src/errors.ts";
import { openSealing } from "../../../src/state/sealing.ts";
import { keyOf } from "../../../src/state/shared/version.ts";

export interface DatabaseSeen {
  /** Certificate → the number of the version in use. */
  readonly held: ReadonlyMap<string, number>;
  /** Why a server could not use one of those, a sentence each. */
  readonly unusable: readonly string[];
  /** Tables with a secret in the clear. */
  readonly clear: readonly string[];
  readonly leases: readonly string[];
  /** Certificates with challenges in their unfinished order, and answers that have not ended. */
  readonly presented: readonly string[];
}

interface Version {
  readonly name: string;
  readonly held: number;
  readonly certificate: string | null;
  readonly chain: string;
  readonly private_key: string | null;
}

/** Undefined without a server, without the right to read, or before the tables are made. */
export async function seeDatabase(
  url: string,
  env: Readonly<Record<string, string>>,
): Promise<DatabaseSeen | undefined> {
  const place = new URL(url);
  place.password ||= env["PGPASSWORD"] ?? "";
  const client = new Client({ connectionString: place.href });
  // The server may be stopped at any time.
  client.on("error", () => undefined);
  const names = async (sql: string, values: readonly unknown[] = []) =>
    (await client.query<{ name: string }>(sql, [...values])).rows.map(({ name }) => name);
  try {
    await client.connect();
    const { rows } = await client.query<Version>(versions);
    const secrets = ["PRIVATE KEY", env["PGPASSWORD"], env["ACMECTL_STATE_KEY"]];
    const given = secrets.filter((secret) => (secret ?? "").length >= 8);
    const tables = (await names(allTables)).map(
      (name) =>
        `SELECT '${name}' AS name FROM acmectl.${name} AS one, unnest($1::text[]) AS secret
         WHERE strpos(one::text, secret) > 0`,
    );
    return {
      held: new Map(rows.map(({ name, held }) => [name, held])),
      unusable: rows.flatMap((row) => faultsOf(row, env["ACMECTL_STATE_KEY"])),
      clear: await names(tables.join(" UNION "), [given]),
      leases: await names("SELECT name FROM acmectl.leases WHERE expires_at > clock_timestamp()"),
      presented: await names(presented),
    };
  } catch (error) {
    if (absent.test(codeOf(error))) return undefined;
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** No server, no connection, a wrong password, no database, no table, no right. */
const absent = /^(ECONN|ENOTFOUND|EAI_|28|08|57|3D000|42P01|42501)/;

const versions = `
SELECT certificate.name, held, certificate, chain, private_key
FROM acmectl.certificates AS certificate
LEFT JOIN acmectl.versions AS version ON version.name = certificate.name AND version = held
WHERE held IS NOT NULL`;

const allTables = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'acmectl'";

const presented = `
SELECT name FROM acmectl.pending_orders WHERE json_array_length(pending -> 'presented') > 0
UNION SELECT 'an answer for ' || identifier FROM acmectl.answers WHERE ends_at > now()`;

function faultsOf(
  { name, held, certificate, chain, private_key: sealed }: Version,
  stateKey: string | undefined,
): readonly string[] {
  const what = `version ${held} of ${name}`;
  if (certificate === null) return [`${what} is not there`];
  try {
    const leaf = new X509Certificate(certificate);
    if (chain !== "" && !leaf.checkIssued(new X509Certificate(chain)))
      return [`${what} has the chain of another certificate`];
    if (sealed === null || stateKey === undefined) return [];
    const key = openSealing([stateKey]).open(sealed, keyOf(name, held));
    const isPair = leaf.checkPrivateKey(createPrivateKey(key));
    return isPair ? [] : [`${what} has the key of another certificate`];
  } catch (error) {
    return [`${what} cannot be read: ${String(error)}`];
  }
}
