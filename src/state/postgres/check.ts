import type { Finding } from "../store.ts";
import type { Shared } from "./shared.ts";

/** Keys that stay behind if a certificate is deleted by hand. */
export async function orphans(
  { database }: Pick<Shared, "database">,
  repair: boolean,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const table of ["next_keys", "refused"]) {
    const condition = `NOT EXISTS (SELECT FROM acmectl.certificates AS certificate WHERE certificate.name = orphan.name)`;
    const rows = await database.rows<{ name: string }>(
      `SELECT DISTINCT name FROM acmectl.${table} AS orphan WHERE ${condition} ORDER BY name`,
    );
    if (repair && rows.length > 0)
      await database.count(`DELETE FROM acmectl.${table} AS orphan WHERE ${condition}`);
    const result = repair
      ? { done: "removed" }
      : { remedy: "Run acmectl state check --repair.", repairable: true };
    for (const { name } of rows)
      findings.push({
        where: `acmectl.${table}`,
        fault: `it has keys of ${name}, which is not a certificate`,
        ...result,
      });
  }
  return findings;
}
