import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { RefusedCertificate } from "../store.ts";
import {
  attempt,
  createFile,
  discard,
  entriesOf,
  makeFolder,
  makeTemporaryFolder,
  sweep,
  syncFolder,
  temporaryMark,
} from "./files.ts";
import { recordText, type Folder } from "./records.ts";
import { versionFiles, withNewline } from "./versions.ts";

/** Keep a refused certificate with its key in `refused/<n>/` of the certificate's folder; answers where. */
export async function keepRefused(
  certificate: string,
  assert: () => Promise<void>,
  { pem, privateKey, ...facts }: RefusedCertificate,
  folder: Folder,
): Promise<string> {
  await folder.check();
  const refused = join(certificate, "refused");
  return attempt("keep a refused certificate in", refused, async () => {
    await assert();
    await makeFolder(refused);
    await sweep(refused, temporaryMark);
    const numbers = (await entriesOf(refused)).map(Number).filter(Number.isInteger);
    const kept = join(refused, `${Math.max(0, ...numbers) + 1}`);
    const temporary = await makeTemporaryFolder(refused, temporaryMark);
    try {
      if (privateKey !== undefined)
        await createFile(join(temporary, versionFiles.privateKey), privateKey);
      await createFile(join(temporary, versionFiles.fullchain), withNewline(pem));
      await createFile(join(temporary, "refusal.json"), recordText(facts));
      await syncFolder(temporary);
      await assert();
      await rename(temporary, kept);
    } catch (error) {
      await discard(temporary);
      throw error;
    }
    await syncFolder(refused);
    return kept;
  });
}
