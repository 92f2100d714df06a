/** Links that show the held certificate under the names that scripts for certbot, lego and acme.sh expect. */
import { readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import type { VersionMeta } from "../../certificate.ts";
import type { CertificateFiles, ForeignFiles } from "../store.ts";
import { attempt, makeFolder, randomName, temporaryMark } from "./files.ts";
import { versionFiles } from "./versions.ts";

/** Makes the links that are missing. `name` is the certificate's folder name; scripts call what they deploy by it. */
export async function linkForeign(
  root: string,
  name: string,
  { keyType }: VersionMeta,
  files: CertificateFiles,
): Promise<ForeignFiles> {
  const lineage = join(root, "links", "live", name);
  const lego = join(root, "links", "lego", name);
  // acme.sh keeps certificates with EC keys in folders of their own.
  const acmeSh = join(root, "links", "acme.sh", keyType.startsWith("ec") ? `${name}_ecc` : name);
  const foreign: ForeignFiles = {
    lineage,
    lego: {
      fullchain: `${lego}.crt`,
      chain: `${lego}.issuer.crt`,
      privateKey: files.privateKey === undefined ? undefined : `${lego}.key`,
    },
    acmeSh: {
      certificate: join(acmeSh, `${name}.cer`),
      chain: join(acmeSh, "ca.cer"),
      fullchain: join(acmeSh, "fullchain.cer"),
      privateKey: files.privateKey === undefined ? undefined : join(acmeSh, `${name}.key`),
    },
  };
  const kinds = ["privateKey", "certificate", "chain", "fullchain"] as const;
  for (const kind of kinds) {
    const target = files[kind];
    if (target === undefined) continue;
    const places = [
      join(lineage, versionFiles[kind]),
      kind === "certificate" ? undefined : foreign.lego[kind],
      foreign.acmeSh[kind],
    ];
    for (const place of places) if (place !== undefined) await link(place, target);
  }
  return foreign;
}

async function link(place: string, target: string): Promise<void> {
  await attempt("write", place, async () => {
    const wanted = relative(dirname(place), target);
    if ((await readlink(place).catch(() => undefined)) === wanted) return;
    await makeFolder(dirname(place));
    const temporary = join(dirname(place), `.${basename(place)}${temporaryMark}${randomName()}`);
    await symlink(wanted, temporary);
    await rename(temporary, place);
  });
}

/** Removes the links of a certificate that is deleted. */
export async function removeForeign(root: string, name: string): Promise<void> {
  const mine = new Set([name, `${name}_ecc`, `${name}.crt`, `${name}.issuer.crt`, `${name}.key`]);
  for (const client of ["live", "lego", "acme.sh"]) {
    const folder = join(root, "links", client);
    await attempt("remove", folder, async () => {
      const found = (await readdir(folder).catch(() => [])).filter((entry) => mine.has(entry));
      for (const entry of found) await rm(join(folder, entry), { recursive: true });
    });
  }
}
