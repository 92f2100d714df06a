/** Leases as rows: the token is from a sequence, the end is measured by the server's clock. */
import { isHolder } from "../folder/locks/lock-file.ts";
import { lostProblem, type LeaseRows, type Other } from "../shared/leases.ts";
import { claimFirst } from "./claims.ts";
import type { Database, Statements } from "./database.ts";
import { notify, type Notices } from "./notices.ts";
import type { Shared } from "./shared.ts";

export function leaseRows(database: Database, notices: Notices): LeaseRows {
  return {
    // One statement, so that it needs no transaction; sent twice it takes its own lease again.
    async take({ name, leaseTime, me, dead }) {
      const [taken] = await database.rows<{ token: string }>(
        `INSERT INTO acmectl.leases AS lease (name, token, holder, expires_at)
         VALUES ($1, nextval('acmectl.fence'), $2, clock_timestamp() + $3 * interval '1 millisecond')
         ON CONFLICT (name) DO UPDATE
         SET token = nextval('acmectl.fence'), holder = excluded.holder, expires_at = excluded.expires_at
         WHERE lease.expires_at <= clock_timestamp() OR lease.token = $4
           OR lease.holder ->> 'token' = $5
         RETURNING token`,
        [name, JSON.stringify(me), leaseTime, dead, me.token],
      );
      return taken?.token;
    },
    holderOf: (name) => holderOf(database, name),
    async beat(leases, leaseTime) {
      await database.count(
        `UPDATE acmectl.leases SET expires_at = clock_timestamp() + $2 * interval '1 millisecond'
         WHERE token = ANY($1::bigint[]) AND expires_at > clock_timestamp()`,
        [leases.map(({ token }) => token), leaseTime],
      );
    },
    assert: (name, token) => assertLease(database, name, token),
    async end({ name, token }) {
      await database.count(ended, [name, token]);
    },
    onEnd: (name, listener) => notices.on(`lease ${name}`, listener),
    claim: (wanted) => claimFirst(database, wanted),
  };
}

const ended = `
WITH old AS (
  DELETE FROM acmectl.leases WHERE expires_at < clock_timestamp() - interval '1 day'
), ended AS (
  UPDATE acmectl.leases SET expires_at = clock_timestamp() WHERE name = $1 AND token = $2
  RETURNING name
)
SELECT ${notify("'lease ' || name")} FROM ended`;

/** Changes that are made together or not at all; none if this run took the certificate's lease and has lost it. */
export async function fenced<T>(
  name: string,
  { database, check, tokenOf }: Pick<Shared, "database" | "check" | "tokenOf">,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  await check();
  const lease = `certificate:${name}`;
  const token = tokenOf(lease);
  return database.transaction(async (statements) => {
    if (token !== undefined) await assertLease(statements, lease, token);
    return work(statements);
  });
}

/** The same with one statement, which needs no transaction without a lease. */
export async function fencedCount(
  { name, sql, values }: { name: string; sql: string; values: readonly unknown[] },
  shared: Pick<Shared, "database" | "check" | "tokenOf">,
): Promise<void> {
  await shared.check();
  if (shared.tokenOf(`certificate:${name}`) === undefined) await shared.database.count(sql, values);
  else await fenced(name, shared, (statements) => statements.count(sql, values));
}

/** Locks the row of a lease until the transaction ends, so that no run takes it meanwhile; rejects when it was lost. */
export async function assertLease(
  statements: Statements,
  name: string,
  token: string,
): Promise<void> {
  const held = await statements.rows(
    `SELECT token FROM acmectl.leases
     WHERE name = $1 AND token = $2 AND expires_at > clock_timestamp() FOR SHARE`,
    [name, token],
  );
  if (held.length === 0) throw lostProblem(name, await holderOf(statements, name));
}

async function holderOf(statements: Statements, name: string): Promise<Other | undefined> {
  const [found] = await statements.rows<{ token: string; holder: unknown }>(
    `SELECT token, holder FROM acmectl.leases WHERE name = $1 AND expires_at > clock_timestamp()`,
    [name],
  );
  const { token, holder } = found ?? {};
  return token === undefined ? undefined : { token, holder: isHolder(holder) ? holder : undefined };
}
