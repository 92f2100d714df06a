import { join } from "node:path";
import type { CertificateRequest, HookSetting, KeyType } from "../../certificate.ts";
import { isFile, isFolder, namesIn, readText } from "../files.ts";
import {
  directoryFrom,
  type Found,
  type FoundCertificate,
  type FoundPems,
  hooksFrom,
  type Left,
  readEach,
  rsaTypes,
  waitNote,
  withoutKey,
} from "../found.ts";
import { readAccounts } from "./accounts.ts";
import { type Conf, readConf, valueIn } from "./conf.ts";
import { type Installation, solversOf } from "./solvers.ts";

/** What acme.sh keeps in its home: accounts below `ca/`, a folder for each certificate, secrets in `account.conf`. */
export async function readAcmeSh(folder: string): Promise<Found> {
  const settings = await readConf(join(folder, "account.conf"));
  const { homes, missing } = await homesOf(valueIn(settings, "CERT_HOME"), folder);
  const domains = (await Promise.all(homes.map(readDomains))).flat();
  const directories = domains.map(({ conf }) => directoryOf(conf));
  const accounts = await readAccounts(folder, directories);
  const common = { settings, accounts: accounts.found, programs: await readInstallation(folder) };
  const certificates = await readEach(
    domains,
    ({ conf }) => conf.file,
    (domain) => readCertificate(domain, domains, common),
  );
  const left = [...missing, ...accounts.left, ...certificates.left];
  return { accounts: accounts.found, certificates: certificates.found, left };
}

/** `CERT_HOME`, which may be a path of another machine or container: then looked for below the given folder. */
async function homesOf(
  certHome: string | undefined,
  folder: string,
): Promise<{ homes: readonly string[]; missing: readonly Left[] }> {
  if (certHome === undefined) return { homes: [folder], missing: [] };
  if (await isFolder(certHome)) return { homes: [certHome], missing: [] };
  const parts = certHome.split("/").filter((part) => part !== "" && part !== "..");
  for (const index of parts.keys()) {
    const below = join(folder, ...parts.slice(index));
    if (await isFolder(below)) return { homes: [below], missing: [] };
  }
  const why = `CERT_HOME is ${certHome}, which does not exist here: copy that folder to ${join(folder, parts.at(-1) ?? "certs")} and import again`;
  return { homes: [folder], missing: [{ what: join(folder, "account.conf"), why }] };
}

interface Domain {
  readonly folder: string;
  /** `example.com`, or `example.com_ecc`. */
  readonly label: string;
  readonly name: string;
  readonly conf: Conf;
}

async function readDomains(home: string): Promise<readonly Domain[]> {
  const domains: Domain[] = [];
  for (const label of await namesIn(home)) {
    const name = label.replace(/_ecc$/, "");
    const file = join(home, label, `${name}.conf`);
    if (!(await isFile(file))) continue;
    domains.push({ folder: join(home, label), label, name, conf: await readConf(file) });
  }
  return domains;
}

function directoryOf(conf: Conf): string {
  return directoryFrom(valueIn(conf, "Le_API"));
}

interface Common {
  readonly settings: Conf;
  readonly accounts: Found["accounts"];
  readonly programs: Installation;
}

async function readInstallation(folder: string): Promise<Installation> {
  if (!(await isFile(join(folder, "acme.sh")))) return { folder, scripts: [] };
  const files = await namesIn(join(folder, "dnsapi"));
  const scripts = files.filter((file) => file.endsWith(".sh")).map((file) => file.slice(0, -3));
  return { folder, scripts };
}

async function readCertificate(
  domain: Domain,
  all: readonly Domain[],
  { settings, accounts, programs }: Common,
): Promise<FoundCertificate | Left> {
  const { conf, label, name } = domain;
  const pems = await readPems(domain);
  if (typeof pems === "string") return { what: conf.file, why: pems };
  const directory = directoryOf(conf);
  const account = accounts.find((one) => one.directory === directory);
  const { solvers, notes } = solversOf(conf, settings, programs);
  const caBundle = valueIn(settings, "CA_BUNDLE");
  return {
    // Beside each other, the one for RSA keys has the plain name, as in acme.sh.
    name: all.filter((one) => one.name === name).length > 1 ? label : name,
    source: conf.file,
    directory,
    account: account?.id,
    pems,
    keyType: keyTypes[valueIn(conf, "Le_Keylength") ?? ""],
    settings: settingsOf(conf, domain.folder),
    solvers,
    certificateUrl: valueIn(conf, "Le_LinkCert"),
    orderUrl: valueIn(conf, "Le_LinkOrder"),
    caBundle: caBundle !== undefined && (await isFile(caBundle)) ? caBundle : undefined,
    notes: [...notes, ...untakenNotes(conf)],
  };
}

async function readPems({ folder, name }: Domain): Promise<FoundPems | string> {
  const read = (file: string) => readText(join(folder, file));
  const [leaf, full, chain, key] = await Promise.all(
    [`${name}.cer`, "fullchain.cer", "ca.cer", `${name}.key`].map(read),
  );
  const source = join(folder, leaf === undefined ? "fullchain.cer" : `${name}.cer`);
  const certificate = leaf ?? full;
  if (certificate === undefined || certificate.trim() === "") return "it was never issued";
  if (key === undefined) return withoutKey;
  return { certificate, chain: chain ?? full ?? "", key, source };
}

const keyTypes: Readonly<Record<string, KeyType>> = {
  "ec-256": "ec256",
  "ec-384": "ec384",
  ...rsaTypes,
};

function settingsOf(conf: Conf, folder: string): FoundCertificate["settings"] {
  return {
    reuseKey: valueIn(conf, "Le_ForceNewDomainKey") !== "1",
    preferredChain: valueIn(conf, "Le_Preferred_Chain"),
    profile: valueIn(conf, "Le_Certificate_Profile"),
    outputs: outputsOf(conf, folder),
    hooks: hooksOf(conf),
  };
}

/** Where `--install-cert` copies to; nothing within acme.sh's own folder. */
function outputsOf(conf: Conf, folder: string): CertificateRequest["outputs"] {
  const places = {
    cert: valueIn(conf, "Le_RealCertPath"),
    key: valueIn(conf, "Le_RealKeyPath"),
    chain: valueIn(conf, "Le_RealCACertPath"),
    fullchain: valueIn(conf, "Le_RealFullChainPath"),
  };
  const isOutside = (path = "") => path.startsWith("/") && !path.startsWith(`${folder}/`);
  return Object.fromEntries(Object.entries(places).filter(([, path]) => isOutside(path)));
}

function hooksOf(conf: Conf): CertificateRequest["hooks"] {
  const run = (...keys: readonly string[]): HookSetting[] =>
    keys.flatMap((key) => {
      const command = valueIn(conf, key);
      return command === undefined ? [] : [{ run: command, shell: true }];
    });
  return hooksFrom({
    pre: run("Le_PreHook"),
    deploy: run("Le_RenewHook", "Le_ReloadCmd"),
    post: run("Le_PostHook"),
  });
}

const untaken: Readonly<Record<string, (value: string) => string>> = {
  Le_DeployHook: (hooks) =>
    `The deploy scripts ${hooks} were not imported: add deploy steps such as \`acme.sh: ${hooks.split(",")[0]}\`, with their variables.`,
  Le_DNSSleep: waitNote,
  Le_RenewalDays: (days) =>
    `Renewal after ${days} days was not imported: acmectl asks the CA when to renew, or uses a part of the lifetime.`,
  Le_Valid_To: () => "The chosen validity (Le_Valid_To) was not imported.",
  Le_PFXPassword: () => "The PKCS#12 file was not imported: add a deploy step pkcs12.",
};

function untakenNotes(conf: Conf): readonly string[] {
  return Object.entries(untaken).flatMap(([key, note]) => {
    const value = valueIn(conf, key);
    return value === undefined ? [] : [note(value)];
  });
}
