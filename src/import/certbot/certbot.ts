import { join } from "node:path";
import type { KeyType } from "../../certificate.ts";
import { namesIn, readText } from "../files.ts";
import type { Found, FoundCertificate, FoundPems, Left } from "../found.ts";
import { type CertbotAccounts, readAccounts } from "./accounts.ts";
import { solversOf } from "./authenticators.ts";
import { type CommonHooks, hooksOf, readCommonHooks } from "./hooks.ts";
import { type IniSection, parseIni, valueOf } from "./ini.ts";

/** What certbot keeps in its configuration folder: accounts, lineages with their renewal settings, hooks. */
export async function readCertbot(folder: string): Promise<Found> {
  const accounts = await readAccounts(folder);
  const common = await readCommonHooks(folder);
  const certificates: FoundCertificate[] = [];
  const left: Left[] = [...accounts.left];
  for (const file of await namesIn(join(folder, "renewal"))) {
    if (!file.endsWith(".conf")) continue;
    const lineage = await readLineage(folder, file.slice(0, -".conf".length), accounts, common);
    if ("why" in lineage) left.push(lineage);
    else certificates.push(lineage);
  }
  return { accounts: [...accounts.byId.values()], certificates, left };
}

const firstServer = "https://acme-v02.api.letsencrypt.org/directory";

async function readLineage(
  folder: string,
  name: string,
  accounts: CertbotAccounts,
  common: CommonHooks,
): Promise<FoundCertificate | Left> {
  const source = join(folder, "renewal", `${name}.conf`);
  const conf = parseIni((await readText(source)) ?? "");
  const parameters = conf.sections["renewalparams"];
  const pems = await readPems(folder, name, conf);
  if (parameters === undefined) return { what: source, why: "it has no [renewalparams]" };
  if (typeof pems === "string") return { what: source, why: pems };
  const server = valueOf(parameters, "server") ?? firstServer;
  const directory = server.replace("//acme-v01.api.", "//acme-v02.api.");
  const account = accounts.byId.get(`${directory} ${valueOf(parameters, "account") ?? ""}`);
  const { solvers, notes } = await solversOf(parameters);
  const keyType = keyTypeOf(parameters);
  return {
    name,
    source,
    directory,
    account: account?.id,
    pems,
    keyType,
    settings: settingsOf(parameters, common),
    solvers,
    notes: [...notes, ...untaken(parameters)],
  };
}

/** `live/<name>/` below this folder, which may be a copy; else where the renewal's file says. */
async function readPems(
  folder: string,
  name: string,
  conf: IniSection,
): Promise<FoundPems | string> {
  const read = async (file: string, key: string) => {
    const usual = join(folder, "live", name, file);
    const said = valueOf(conf, key) ?? usual;
    const text = await readText(usual);
    if (text !== undefined) return { text, path: usual };
    return { text: await readText(said), path: said };
  };
  const certificate = await read("fullchain.pem", "fullchain");
  const key = await read("privkey.pem", "privkey");
  if (certificate.text === undefined) return `${certificate.path} is not there`;
  if (key.text === undefined) return `${key.path} is not there`;
  return { certificate: certificate.text, key: key.text, source: certificate.path };
}

function settingsOf(parameters: IniSection, common: CommonHooks): FoundCertificate["settings"] {
  const profile = valueOf(parameters, "preferred_profile");
  const required = valueOf(parameters, "required_profile");
  const preferredChain = valueOf(parameters, "preferred_chain");
  return {
    reuseKey: isTrue(parameters, "reuse_key"),
    profile: required ?? profile,
    profileRequired: required === undefined ? undefined : true,
    preferredChain,
    hooks: hooksOf(parameters, common),
  };
}

/** The kind that certbot would make next; undefined where its defaults have changed with its versions. */
function keyTypeOf(parameters: IniSection): KeyType | undefined {
  const kind = valueOf(parameters, "key_type");
  if (kind === "ecdsa") {
    const curve = valueOf(parameters, "elliptic_curve") ?? "secp256r1";
    const curves: Readonly<Record<string, KeyType>> = { secp256r1: "ec256", secp384r1: "ec384" };
    return curves[curve.toLowerCase()];
  }
  const size = valueOf(parameters, "rsa_key_size") ?? (kind === "rsa" ? "2048" : "");
  const sizes: Readonly<Record<string, KeyType>> = {
    "2048": "rsa2048",
    "3072": "rsa3072",
    "4096": "rsa4096",
  };
  return sizes[size];
}

function untaken(parameters: IniSection): readonly string[] {
  const installer = valueOf(parameters, "installer");
  const before = valueOf(parameters, "renew_before_expiry");
  const notes = [
    installer === undefined
      ? ""
      : `certbot put new certificates into ${installer} itself: point ${installer} at acmectl's files, and add a deploy step such as \`systemctl reload ${installer}\`.`,
    isTrue(parameters, "must_staple")
      ? "must_staple was not taken over: CAs no longer offer OCSP."
      : "",
    isTrue(parameters, "allow_subset_of_names")
      ? "allow_subset_of_names was not taken over: acmectl issues for all names or not at all."
      : "",
    before === undefined
      ? ""
      : `renew_before_expiry (${before}) was not taken over: acmectl asks the CA when to renew, or goes by the lifetime.`,
    valueOf(parameters, "autorenew")?.toLowerCase() === "false"
      ? "certbot was told not to renew it; `acmectl renew` will."
      : "",
    isTrue(parameters, "no_verify_ssl")
      ? "no_verify_ssl was not taken over: give the CA's root with --ca-bundle FILE."
      : "",
  ];
  return notes.filter((note) => note !== "");
}

function isTrue(parameters: IniSection, key: string): boolean {
  return valueOf(parameters, key)?.toLowerCase() === "true";
}
