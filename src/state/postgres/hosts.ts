import type { Store } from "../store.ts";
import type { Shared } from "./shared.ts";

/** What hosts have of certificates: a row for each pair. */
export function openHosts({ database, check }: Shared): Store["hosts"] {
  return {
    async record(name, record) {
      await check();
      await database.count(
        `INSERT INTO acmectl.deployments (name, host, version, state)
         SELECT name, $2, $3, $4::json FROM acmectl.certificates WHERE name = $1
         ON CONFLICT (name, host) DO UPDATE
         SET version = excluded.version, state = excluded.state, changed_at = now()`,
        [name, record.host, record.version, JSON.stringify(record)],
      );
    },
    async forget(host, name) {
      await check();
      await database.count(
        `UPDATE acmectl.deployments SET state = 'null', changed_at = now()
         WHERE host = $1 AND ($2::text IS NULL OR name = $2) AND state::text <> 'null'`,
        [host, name],
      );
    },
  };
}

/** As a column of a row of certificates. */
export const hostsColumn = `
(SELECT json_agg(state) FROM acmectl.deployments AS deployment
 WHERE deployment.name = certificate.name AND state::text <> 'null') AS hosts`;
