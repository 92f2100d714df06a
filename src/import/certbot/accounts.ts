import { join, relative, sep } from "node:path";
import { isRecord } from "../../json.ts";
import { foldersWith, isLink, readObject, textOf } from "../files.ts";
import { type FoundAccount, type Left, readEach } from "../found.ts";
import { readAccountKey } from "../material.ts";

export interface CertbotAccount extends FoundAccount {
  readonly certbotId: string;
}

/** All of `accounts/<host>/<path>/<id>/`; the path of the folder is that of the CA's directory. */
export async function readAccounts(folder: string) {
  const root = join(folder, "accounts");
  const places = await foldersWith("private_key.json", root);
  const { found, left } = await readEach(places, String, (place) => readAccount(root, place));
  // A folder that is a link to another leads to the same accounts.
  const distinct = new Map(found.map((one) => [`${one.directory} ${one.certbotId}`, one]));
  return { found: [...distinct.values()], left };
}

const successors: Readonly<Record<string, string>> = {
  "acme-v01.api.letsencrypt.org": "acme-v02.api.letsencrypt.org",
  "acme-staging.api.letsencrypt.org": "acme-staging-v02.api.letsencrypt.org",
};

/** certbot links the folder of ACME version 2 to that of version 1; in a copy the link may lead nowhere. */
async function isLinked(folder: string): Promise<boolean> {
  return (await isLink(folder)) || isLink(join(folder, "directory"));
}

async function readAccount(root: string, place: string): Promise<CertbotAccount | Left> {
  const [certbotId = "", ...above] = relative(root, place).split(sep).toReversed();
  const host = above.at(-1) ?? "";
  const successor = successors[host];
  if (successor !== undefined && !(await isLinked(join(root, successor))))
    return { what: place, why: "it is for version 1 of ACME, which Let's Encrypt has ended" };
  const source = join(place, "private_key.json");
  const jwk = await readObject(source);
  const registration = await readObject(join(place, "regr.json"));
  return {
    ...readAccountKey(jwk ?? {}, source),
    certbotId,
    directory: `https://${[successor ?? host, ...above.slice(0, -1).toReversed()].join("/")}`,
    url: textOf(registration, "uri"),
    contact: contactsOf(registration),
    source: place,
  };
}

/** Only old versions of certbot keep the body of a registration. */
function contactsOf(registration: Record<string, unknown> | undefined): readonly string[] {
  const body = registration?.["body"];
  const contact = isRecord(body) ? body["contact"] : undefined;
  return Array.isArray(contact) ? contact.filter((one) => typeof one === "string") : [];
}
