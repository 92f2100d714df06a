import { join, relative, sep } from "node:path";
import { presets } from "../acme/presets.ts";
import { foldersWith, namesIn, readObject, readText, textOf } from "./files.ts";
import {
  contactOf,
  type Found,
  type FoundAccount,
  type FoundCertificate,
  type FoundPems,
  type Left,
  readEach,
  withoutKey,
} from "./found.ts";
import { readAccountKey } from "./material.ts";

/** What lego keeps below `--path`: accounts and certificates. How it answered challenges was only on its command line. */
export async function readLego(folder: string, servers: readonly string[]): Promise<Found> {
  const directories = [...servers, ...presets.map(({ url }) => url)];
  const accountsFolder = join(folder, "accounts");
  const places = await foldersWith("account.json", accountsFolder);
  const accounts = await readEach(places, String, (place) =>
    readAccount(accountsFolder, place, directories),
  );
  const root = join(folder, "certificates");
  const files = (await namesIn(root)).filter((file) => /(?<!\.issuer)\.crt$/.test(file));
  const certificates = await readEach(
    files,
    (file) => join(root, file),
    (file) => readCertificate(root, file.slice(0, -".crt".length), accounts.found, directories),
  );
  const left = [...accounts.left, ...certificates.left];
  return { accounts: accounts.found, certificates: certificates.found, left };
}

/** One of `accounts/<server>/<id>/`. lego 5 stores the directory; before that the folder has the server's host alone. */
async function readAccount(
  root: string,
  place: string,
  directories: readonly string[],
): Promise<FoundAccount | Left> {
  const [server = "", id = ""] = relative(root, place).split(sep);
  const record = await readObject(join(place, "account.json"));
  const directory = textOf(record, "server") ?? directories.find((url) => folderOf(url) === server);
  if (directory === undefined) return withoutServer(place, server);
  const email = textOf(record, "email");
  const keys = [join(place, "keys", `${email ?? id}.key`), join(place, `${id}.key`)];
  for (const source of keys) {
    const pem = await readText(source);
    if (pem === undefined) continue;
    const registration = record?.["registration"];
    return {
      ...readAccountKey(pem, source),
      directory,
      url: textOf(registration, "uri") ?? textOf(registration, "accountURL"),
      contact: contactOf(email),
      source: place,
    };
  }
  return { what: place, why: `its key is neither in ${keys.join(" nor in ")}` };
}

/** The folder below `accounts/` that lego makes for a directory. */
function folderOf(url: string): string {
  return (URL.parse(url)?.host ?? "").replaceAll(/[:/\\]/g, "_");
}

function withoutServer(what: string, host: string): Left {
  return { what, why: `lego stores only ${host} of its CA: import again with --server URL` };
}

async function readCertificate(
  root: string,
  label: string,
  accounts: Found["accounts"],
  directories: readonly string[],
): Promise<FoundCertificate | Left> {
  const source = join(root, `${label}.crt`);
  const pems = await readPems(root, label, source);
  if (typeof pems === "string") return { what: source, why: pems };
  const record = await readObject(join(root, `${label}.json`));
  const certificateUrl = textOf(record, "certUrl") ?? textOf(record, "certStableUrl");
  const host = certificateUrl === undefined ? undefined : folderOf(certificateUrl);
  const known = [...accounts.map(({ directory }) => directory), ...directories];
  const directory =
    host === undefined ? known[0] : known.find((candidate) => folderOf(candidate) === host);
  if (directory === undefined) return withoutServer(source, host ?? "nothing");
  const account = accounts.find((one) => one.directory === directory);
  return {
    name: textOf(record, "domain") ?? textOf(record, "id") ?? label.replace(/^_\./, "*."),
    source,
    directory,
    account: account?.id,
    pems,
    settings: {},
    solvers: [],
    certificateUrl,
    notes: [
      "lego stores neither hooks nor renewal settings: add deploy steps, a profile or a preferred chain if you gave lego any.",
    ],
  };
}

async function readPems(root: string, label: string, source: string): Promise<FoundPems | string> {
  const certificate = await readText(source);
  const chain = await readText(join(root, `${label}.issuer.crt`));
  const key = await readText(join(root, `${label}.key`));
  if (certificate === undefined) return "it does not exist";
  if (key === undefined) return withoutKey;
  return { certificate, chain, key, source };
}
