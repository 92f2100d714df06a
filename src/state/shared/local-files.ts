/** Files of certificates for this host's servers, in a folder of the same layout as a state folder. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../problem.ts";
import { openFolderStore } from "../folder/folder.ts";
import { certificateFolderName } from "../folder/names.ts";
import type {
  CertificateFiles,
  ForeignFiles,
  HeldCertificate,
  Store,
  StoredCertificate,
} from "../store.ts";
import type { SharedTools } from "../tools.ts";
import type { Version } from "./version.ts";

interface LocalFiles {
  /** Where they are, if this host has files of this certificate. Reads and writes nothing. */
  present(name: string, held: HeldCertificate): Promise<CertificateFiles | undefined>;
  /** Writes the held version where this host has another one or none. */
  write(stored: StoredCertificate | undefined): Promise<CertificateFiles | undefined>;
  foreign(stored: StoredCertificate | undefined): Promise<ForeignFiles | undefined>;
  remove(name: string): Promise<void>;
}

interface Source extends Pick<SharedTools, "files" | "log" | "clock" | "signal"> {
  /** The held version as the shared state has it now. */
  readonly readVersion: (name: string) => Promise<Version | undefined>;
}

export function openLocalFiles(source: Source): LocalFiles {
  const { files: root, log, clock } = source;
  const folder = openFolderStore(root, { log, clock });
  const write: LocalFiles["write"] = async (stored) => {
    if (stored?.held === undefined) return undefined;
    await writeVersion(stored, stored.held, folder, source);
    return folder.certificates.files(stored.name);
  };
  return {
    async present(name, held) {
      const current = join(root, "certificates", certificateFolderName(name), "current");
      if (lstatSync(current, { throwIfNoEntry: false }) === undefined) return undefined;
      return folder.certificates.files(name, held);
    },
    write,
    async foreign(stored) {
      const files = await write(stored);
      return files && stored && folder.certificates.foreignFiles(stored.name);
    },
    remove: (name) => folder.certificates.remove(name),
  };
}

async function writeVersion(
  { name, request }: StoredCertificate,
  held: HeldCertificate,
  folder: Store,
  { readVersion, signal }: Source,
): Promise<void> {
  if (await hasVersion(folder, name, held)) return;
  const wait = 30_000;
  const lock = await folder.lock(`certificate:${name}`, { wait, signal });
  try {
    // Not before: another run of this host may have written a newer one meanwhile, or the shared state may have it.
    const found = await readVersion(name);
    if (found === undefined || (await hasVersion(folder, name, found))) return;
    const second = found.second && { ...found.second, privateKey: found.second.privateKey() };
    await folder.certificates.saveRequest(request);
    const version = { ...found, privateKey: found.privateKey(), second };
    await folder.certificates.commit(name, version, lock);
  } finally {
    await lock.release();
  }
}

/** False also for files that were damaged: they are written again. */
async function hasVersion(folder: Store, name: string, { meta }: Pick<HeldCertificate, "meta">) {
  const local = await folder.certificates.read(name).catch((error: unknown) => {
    if (Problem.is(error)) return undefined;
    throw error;
  });
  const found = local?.held?.meta;
  return (
    found?.fingerprint === meta.fingerprint &&
    found.second?.fingerprint === meta.second?.fingerprint
  );
}
