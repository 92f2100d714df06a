import { join } from "node:path";
import type { Store } from "../store.ts";
import { namesIn, readCertificateRecord, rewriteRecord } from "./certificate-record.ts";
import { certificateFolderName } from "./names.ts";
import type { Folder } from "./records.ts";

/** What hosts have of a certificate, in its record. */
export function openHosts(folder: Folder): Store["hosts"] {
  const certificates = join(folder.root, "certificates");
  async function change(name: string, host: string, record: unknown) {
    const path = join(certificates, certificateFolderName(name));
    if ((await readCertificateRecord(path, name, folder))?.request === undefined) return;
    await rewriteRecord(path, name, folder, ({ hosts, ...others }) => ({
      ...others,
      hosts: { ...hosts, [host]: record },
    }));
  }
  return {
    async record(name, record) {
      await folder.check();
      await change(name, record.host, record);
    },
    async forget(host, name) {
      await folder.check();
      const names = name === undefined ? await namesIn(certificates) : [name];
      for (const one of names) await change(one, host, undefined);
    },
  };
}
