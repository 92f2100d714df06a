import { join, relative, sep } from "node:path";
import { Problem } from "../../problem.ts";
import { isFolder, namesIn, readText } from "../files.ts";
import type { FoundAccount, Left } from "../found.ts";
import { readAccountKey } from "../material.ts";
import { parseConf, valueIn } from "./conf.ts";

export interface AcmeShAccounts {
  readonly accounts: readonly FoundAccount[];
  readonly left: readonly Left[];
}

/**
 * All of `ca/<host>/<path>/`. The port of a CA is not in the folder's name, so that the directories of certificates are
 * asked first: one of the same host and path is the one.
 */
export async function readAccounts(
  folder: string,
  directories: readonly string[],
): Promise<AcmeShAccounts> {
  const root = join(folder, "ca");
  const accounts: FoundAccount[] = [];
  const left: Left[] = [];
  for (const place of await accountFolders(root, 0)) {
    const name = relative(root, place).split(sep).join("/");
    const directory = directories.find((url) => folderOf(url) === name) ?? `https://${name}`;
    const read = await readAccount(place, directory);
    if ("why" in read) left.push(read);
    else accounts.push(read);
  }
  return { accounts, left };
}

/** The folder below `ca/` that acme.sh makes for a directory. */
function folderOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? "" : `${parsed.hostname}${parsed.pathname}`.replace(/\/$/, "");
}

const deepest = 8;

async function accountFolders(folder: string, depth: number): Promise<readonly string[]> {
  const names = await namesIn(folder);
  const found = names.includes("account.key") ? [folder] : [];
  if (depth === deepest) return found;
  for (const name of names) {
    const path = join(folder, name);
    if (await isFolder(path)) found.push(...(await accountFolders(path, depth + 1)));
  }
  return found;
}

async function readAccount(place: string, directory: string): Promise<FoundAccount | Left> {
  const source = join(place, "account.key");
  const conf = parseConf((await readText(join(place, "ca.conf"))) ?? "", join(place, "ca.conf"));
  const url = valueIn(conf, "ACCOUNT_URL");
  const email = valueIn(conf, "CA_EMAIL");
  if (directory.includes("acme-v01.api.letsencrypt.org")) {
    return { what: place, why: "it is for version 1 of ACME, which Let's Encrypt has ended" };
  }
  try {
    return {
      ...readAccountKey((await readText(source)) ?? "", source),
      directory,
      url,
      contact: email === undefined ? [] : [`mailto:${email}`],
      source: place,
    };
  } catch (error) {
    if (!Problem.is(error)) throw error;
    return { what: source, why: error.message };
  }
}
