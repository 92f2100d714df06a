import { join } from "node:path";
import { presets } from "../../acme/presets.ts";
import { namesIn, readObject, readText, textOf } from "../files.ts";
import type { Found, FoundCertificate, FoundPems, Left } from "../found.ts";
import { folderOf, readAccounts } from "./accounts.ts";

/** What lego keeps below `--path`: accounts and certificates. How it answered challenges stood on its command line alone. */
export async function readLego(folder: string, servers: readonly string[]): Promise<Found> {
  const directories = [...servers, ...presets.map(({ url }) => url)];
  const { accounts, left } = await readAccounts(folder, directories);
  const certificates: FoundCertificate[] = [];
  const missing: Left[] = [];
  const root = join(folder, "certificates");
  for (const file of await namesIn(root)) {
    if (!file.endsWith(".crt") || file.endsWith(".issuer.crt")) continue;
    const found = await readCertificate(root, file.slice(0, -".crt".length), accounts, directories);
    if ("why" in found) missing.push(found);
    else certificates.push(found);
  }
  return { accounts, certificates, left: [...left, ...missing] };
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
  if (directory === undefined) {
    return {
      what: source,
      why: `lego stores only ${host} of its CA: import again with --server URL`,
    };
  }
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
  if (key === undefined) return "its key does not exist: it was issued for a signing request (CSR)";
  return { certificate, chain, key, source };
}
