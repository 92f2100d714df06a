import { join, relative, sep } from "node:path";
import { isRecord } from "../../json.ts";
import { Problem } from "../../problem.ts";
import { isFolder, isLink, namesIn, readObject, textOf } from "../files.ts";
import type { FoundAccount, Left } from "../found.ts";
import { readAccountKey } from "../material.ts";

/** Accounts by the ids that certbot gives them. */
export interface CertbotAccounts {
  readonly byId: ReadonlyMap<string, FoundAccount>;
  readonly left: readonly Left[];
}

/** All of `accounts/<host>/<path>/<id>/`; the path of the folder is that of the CA's directory. */
export async function readAccounts(folder: string): Promise<CertbotAccounts> {
  const root = join(folder, "accounts");
  const byId = new Map<string, FoundAccount>();
  const left: Left[] = [];
  for (const place of await accountFolders(root, 0)) {
    const [id = "", ...above] = relative(root, place).split(sep).toReversed();
    const host = above.at(-1) ?? "";
    const successor = successors[host];
    if (successor !== undefined && !(await isLinked(join(root, successor)))) {
      left.push({ what: place, why: "it is for version 1 of ACME, which Let's Encrypt has ended" });
      continue;
    }
    const directory = `https://${[successor ?? host, ...above.slice(0, -1).toReversed()].join("/")}`;
    try {
      byId.set(`${directory} ${id}`, await readAccount(place, directory));
    } catch (error) {
      if (!Problem.is(error)) throw error;
      left.push({ what: place, why: error.message });
    }
  }
  return { byId, left };
}

const successors: Readonly<Record<string, string>> = {
  "acme-v01.api.letsencrypt.org": "acme-v02.api.letsencrypt.org",
  "acme-staging.api.letsencrypt.org": "acme-staging-v02.api.letsencrypt.org",
};

/** certbot links the folder of ACME version 2 to that of version 1; in a copy the link may lead nowhere. */
async function isLinked(folder: string): Promise<boolean> {
  return (await isLink(folder)) || isLink(join(folder, "directory"));
}

const deepest = 8;

async function accountFolders(folder: string, depth: number): Promise<readonly string[]> {
  const names = await namesIn(folder);
  if (names.includes("private_key.json")) return [folder];
  if (depth === deepest) return [];
  const below: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if (await isFolder(path)) below.push(...(await accountFolders(path, depth + 1)));
  }
  return below;
}

async function readAccount(place: string, directory: string): Promise<FoundAccount> {
  const source = join(place, "private_key.json");
  const jwk = await readObject(source);
  const registration = await readObject(join(place, "regr.json"));
  const url = textOf(registration, "uri");
  return {
    ...readAccountKey(jwk ?? {}, source),
    directory,
    url,
    contact: contactOf(registration),
    source: place,
  };
}

/** Only old versions of certbot keep the body of a registration. */
function contactOf(registration: Record<string, unknown> | undefined): readonly string[] {
  const body = registration?.["body"];
  const contact = isRecord(body) ? body["contact"] : undefined;
  return Array.isArray(contact) ? contact.filter((one) => typeof one === "string") : [];
}
