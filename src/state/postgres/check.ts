/** Finds what cannot be used in a state in PostgreSQL: pairs that do not fit, keys that no state key opens, records of no certificate. */
import { Problem } from "../../problem.ts";
import { faultIn } from "../folder/fault.ts";
import { withNewline } from "../folder/versions.ts";
import type { Finding, Store, StoredCertificate } from "../store.ts";
import type { Shared } from "./shared.ts";
import { readVersion } from "./versions.ts";

type Parts = Pick<Store, "accounts" | "certificates" | "journal">;

export async function checkDatabase(
  shared: Shared,
  { accounts, certificates, journal }: Parts,
  { repair }: { repair: boolean },
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const look = async (where: string, work: () => Promise<string | undefined>) => {
    const found = await work().catch(findingOf);
    if (typeof found === "string") findings.push({ where, fault: found, remedy: again });
    else if (found !== undefined) findings.push({ where, ...found });
  };
  await look("accounts", async () => void (await accounts.list()));
  for await (const one of certificates.list({ attempts: false })) {
    await look(one.name, async () => {
      if ("problem" in one) throw one.problem;
      return faultOfHeld(one, shared);
    });
  }
  for (const name of await journal.names())
    await look(`the unfinished order of ${name}`, async () => void (await journal.read(name)));
  return [...findings, ...(await orphans(shared, repair))];
}

const again =
  "Restore the state from a backup, or issue the certificate again: acmectl renew --force";

function findingOf(error: unknown): Pick<Finding, "fault" | "remedy"> {
  if (!Problem.is(error)) throw error;
  return { fault: error.message, remedy: error.hint };
}

async function faultOfHeld(
  { name, held }: StoredCertificate,
  shared: Shared,
): Promise<string | undefined> {
  const version = held && (await readVersion(name, shared));
  if (held === undefined || version === undefined) return undefined;
  const parts = [
    { ...version, facts: held.meta },
    ...(version.second && held.meta.second ? [{ ...version.second, facts: held.meta.second }] : []),
  ];
  for (const { facts, certificate, chain, privateKey } of parts) {
    const leafPem = withNewline(certificate);
    const keyPem = facts.keyType === "csr" ? undefined : (privateKey() ?? "");
    const files = { leafPem, chainPem: chain, fullPem: leafPem + chain, keyPem };
    const fault = faultIn({ ...facts }, files);
    if (fault !== undefined) return `version ${version.number}: ${fault}`;
  }
  return undefined;
}

/** Keys that stay behind if a certificate is deleted by hand. */
async function orphans({ database }: Shared, repair: boolean): Promise<readonly Finding[]> {
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
