import { join, relative, sep } from "node:path";
import { foldersWith, readText } from "../files.ts";
import { contactOf, type FoundAccount, type Left, readEach } from "../found.ts";
import { readAccountKey } from "../material.ts";
import { readConf, valueIn } from "./conf.ts";

/**
 * All of `ca/<host>/<path>/`. The port of a CA is not in the folder's name, so the directories of certificates are tried
 * first: one of the same host and path is the one.
 */
export async function readAccounts(folder: string, directories: readonly string[]) {
  const root = join(folder, "ca");
  const places = await foldersWith("account.key", root);
  return readEach(places, keyOf, (place) => {
    const name = relative(root, place).split(sep).join("/");
    const directory = directories.find((url) => folderOf(url) === name) ?? `https://${name}`;
    return readAccount(place, directory);
  });
}

/** The folder below `ca/` that acme.sh makes for a directory. */
function folderOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? "" : `${parsed.hostname}${parsed.pathname}`.replace(/\/$/, "");
}

function keyOf(place: string): string {
  return join(place, "account.key");
}

async function readAccount(place: string, directory: string): Promise<FoundAccount | Left> {
  if (directory.includes("acme-v01.api.letsencrypt.org"))
    return { what: place, why: "it is for version 1 of ACME, which Let's Encrypt has ended" };
  const conf = await readConf(join(place, "ca.conf"));
  return {
    ...readAccountKey((await readText(keyOf(place))) ?? "", keyOf(place)),
    directory,
    url: valueIn(conf, "ACCOUNT_URL"),
    contact: contactOf(valueIn(conf, "CA_EMAIL")),
    source: place,
  };
}
