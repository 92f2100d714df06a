/** What tests of scheduled runs need of the machine and of the state. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A PATH on which there is a crontab(1), and no crontab of the user yet. */
export async function pathWithCrontab(folder: string): Promise<string> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "crontab"), "#!/bin/sh\necho 'no crontab for ops' >&2\nexit 1\n");
  await chmod(join(bin, "crontab"), 0o755);
  return `${bin}:/usr/bin:/bin`;
}

/** As if the certificate had been issued so much earlier: one that was just issued is not due. */
export async function ageCertificate(folder: string, milliseconds = 7_200_000): Promise<void> {
  const file = join(folder, "versions", "1", "meta.json");
  const meta = JSON.parse(await readFile(file, "utf8")) as { issuedAt: string };
  const issuedAt = new Date(new Date(meta.issuedAt).getTime() - milliseconds).toISOString();
  await writeFile(file, JSON.stringify({ ...meta, issuedAt }));
}
