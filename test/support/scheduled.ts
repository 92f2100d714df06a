/** What tests of scheduled runs need of the machine and of the state. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * A PATH on which there are a crontab(1) and a systemctl(1) that keep their files in HOME. Tests do not write such programs
 * themselves: while another child of this process is started, a file that was just written cannot be run (ETXTBSY).
 */
export const schedulerPath = `${join(import.meta.dirname, "programs")}:/usr/bin:/bin`;

/** As if the certificate had been issued so much earlier: one that was just issued is not due. */
export async function ageCertificate(folder: string, milliseconds = 7_200_000): Promise<void> {
  const file = join(folder, "versions", "1", "meta.json");
  const meta = JSON.parse(await readFile(file, "utf8")) as { issuedAt: string };
  const issuedAt = new Date(new Date(meta.issuedAt).getTime() - milliseconds).toISOString();
  await writeFile(file, JSON.stringify({ ...meta, issuedAt }));
}
