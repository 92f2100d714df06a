/** Finds what cannot be used in a shared state: pairs that do not fit, and keys that no state key opens. */
import { Problem } from "../../problem.ts";
import { faultIn } from "../folder/fault.ts";
import { withNewline } from "../folder/versions.ts";
import type { Finding, Store, StoredCertificate } from "../store.ts";
import type { Version } from "./version.ts";

type Parts = Pick<Store, "accounts" | "certificates" | "journal">;

type ReadVersion = (name: string) => Promise<Version | undefined>;

export async function checkRecords(
  { accounts, certificates, journal }: Parts,
  readVersion: ReadVersion,
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
      return faultOfHeld(one, readVersion);
    });
  }
  for (const name of await journal.names())
    await look(`the unfinished order of ${name}`, async () => void (await journal.read(name)));
  return findings;
}

const again =
  "Restore the state from a backup, or issue the certificate again: acmectl renew --force";

function findingOf(error: unknown): Pick<Finding, "fault" | "remedy"> {
  if (!Problem.is(error)) throw error;
  return { fault: error.message, remedy: error.hint };
}

async function faultOfHeld(
  { name, held }: StoredCertificate,
  readVersion: ReadVersion,
): Promise<string | undefined> {
  const version = held && (await readVersion(name));
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
