/** Takes the lease of a certificate that is due and that no other run works on, out of many, without waiting. */
import type { LeaseRows, Taken } from "../shared/leases.ts";
import type { Database } from "./database.ts";

export async function claimFirst(
  database: Database,
  { names, due, leaseTime, me }: Parameters<NonNullable<LeaseRows["claim"]>>[0],
): Promise<Taken | undefined> {
  const values = [names, due?.toISOString(), JSON.stringify(me), leaseTime, me.token];
  for (;;) {
    const [found] = await database.rows<{ name: string; token: string | null }>(sql, values);
    if (found === undefined) return undefined;
    // Another run took its lease after this statement had begun: then another one is first.
    if (found.token !== null) return { name: found.name, token: found.token };
  }
}

/** Of two runs at once, one finds the row locked and takes the next. Sent twice, it takes its own lease again. */
const sql = `
WITH first AS (
  SELECT certificate.name FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, place)
  JOIN acmectl.certificates AS certificate ON certificate.name = wanted.name
  LEFT JOIN acmectl.leases AS lease ON lease.name = 'certificate:' || certificate.name
  WHERE ($2::timestamptz IS NULL OR certificate.due < $2)
    AND (lease.name IS NULL OR lease.expires_at <= clock_timestamp() OR lease.holder ->> 'token' = $5)
  ORDER BY place LIMIT 1
  FOR UPDATE OF certificate SKIP LOCKED
), taken AS (
  INSERT INTO acmectl.leases AS lease (name, token, holder, expires_at)
  SELECT 'certificate:' || name, nextval('acmectl.fence'), $3,
    clock_timestamp() + $4 * interval '1 millisecond' FROM first
  ON CONFLICT (name) DO UPDATE
  SET token = nextval('acmectl.fence'), holder = excluded.holder, expires_at = excluded.expires_at
  WHERE lease.expires_at <= clock_timestamp() OR lease.holder ->> 'token' = $5
  RETURNING token
)
SELECT first.name, (SELECT token::text FROM taken) AS token FROM first`;
