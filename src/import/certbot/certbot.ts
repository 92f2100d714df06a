import { join } from "node:path";
import type { CertificateRequest, HookSetting, KeyType } from "../../certificate.ts";
import { asProblem } from "../../problem.ts";
import { isFile, isProgram, namesIn, readText } from "../files.ts";
import {
  directoryFrom,
  type Found,
  type FoundCertificate,
  type FoundPems,
  hooksFrom,
  type Left,
  readEach,
  rsaTypes,
} from "../found.ts";
import { namesInCertificate } from "../material.ts";
import { type CertbotAccount, readAccounts } from "./accounts.ts";
import { solversOf } from "./authenticators.ts";
import { type IniSection, parseIni, valueOf } from "./ini.ts";

/** What certbot keeps in its configuration folder: accounts, lineages with their renewal settings, hooks. */
export async function readCertbot(folder: string): Promise<Found> {
  const accounts = await readAccounts(folder);
  const common = await readCommonHooks(folder);
  const root = join(folder, "renewal");
  const files = (await namesIn(root)).filter((file) => file.endsWith(".conf"));
  const lineages = await readEach(
    files,
    (file) => join(root, file),
    (file) => readLineage(folder, file.slice(0, -".conf".length), accounts.found, common),
  );
  const left = [...accounts.left, ...lineages.left];
  return { accounts: accounts.found, certificates: lineages.found, left };
}

async function readLineage(
  folder: string,
  name: string,
  accounts: readonly CertbotAccount[],
  common: CommonHooks,
): Promise<FoundCertificate | Left> {
  const source = join(folder, "renewal", `${name}.conf`);
  const conf = parseIni((await readText(source)) ?? "");
  const parameters = conf.sections["renewalparams"];
  const pems = await readPems(folder, name, conf);
  if (parameters === undefined) return { what: source, why: "it has no [renewalparams]" };
  if (typeof pems === "string") return { what: source, why: pems };
  const directory = directoryFrom(valueOf(parameters, "server"));
  const id = valueOf(parameters, "account");
  const account = accounts.find((one) => one.certbotId === id && one.directory === directory);
  const origin = originOf(conf, name);
  const { solvers, notes } = await solversOf(parameters, namesOf(pems), (path) =>
    relocated(path, origin, folder),
  );
  return {
    name,
    source,
    directory,
    account: account?.id,
    pems,
    keyType: keyTypeOf(parameters),
    settings: settingsOf(parameters, common),
    solvers,
    notes: [...notes, ...untaken(conf, parameters)],
  };
}

/** The folder that certbot itself used, for one that was copied or is mounted elsewhere. */
function originOf(conf: IniSection, name: string): string {
  const suffix = `/archive/${name}`;
  const archive = valueOf(conf, "archive_dir");
  return archive?.endsWith(suffix) ? archive.slice(0, -suffix.length) : "/etc/letsencrypt";
}

/** A file of certbot's folder where it is now; any other path, and one that exists, as it is. */
async function relocated(path: string, origin: string, folder: string): Promise<string> {
  if (!path.startsWith(`${origin}/`) || (await isFile(path))) return path;
  const here = join(folder, path.slice(origin.length));
  return (await isFile(here)) ? here : path;
}

/** The names in the certificate; none when it cannot be read, which is reported when it is taken. */
function namesOf({ certificate, source }: FoundPems): readonly string[] {
  try {
    return namesInCertificate(certificate, source).map(({ value }) => value);
  } catch (error) {
    asProblem(error);
    return [];
  }
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
  if (certificate.text === undefined) return `${certificate.path} does not exist`;
  if (key.text === undefined) return `${key.path} does not exist`;
  return { certificate: certificate.text, key: key.text, source: certificate.path };
}

function settingsOf(parameters: IniSection, common: CommonHooks): FoundCertificate["settings"] {
  const required = valueOf(parameters, "required_profile");
  return {
    reuseKey: isTrue(parameters, "reuse_key"),
    profile: required ?? valueOf(parameters, "preferred_profile"),
    profileRequired: required === undefined ? undefined : true,
    preferredChain: valueOf(parameters, "preferred_chain"),
    hooks: hooksOf(parameters, common),
  };
}

interface CommonHooks {
  readonly folders: Readonly<Record<"pre" | "deploy" | "post", readonly HookSetting[]>>;
  /** `cli.ini`: defaults for settings that the renewal's own file leaves out. */
  readonly settings: IniSection;
}

/** The programs in `renewal-hooks/`, and the settings of `cli.ini`. */
async function readCommonHooks(folder: string): Promise<CommonHooks> {
  const settings = parseIni((await readText(join(folder, "cli.ini"))) ?? "");
  const programs = async (kind: string) =>
    isTrue(settings, "no-directory-hooks") ? [] : programsIn(join(folder, "renewal-hooks", kind));
  const [pre, deploy, post] = await Promise.all(["pre", "deploy", "post"].map(programs));
  return { folders: { pre: pre ?? [], deploy: deploy ?? [], post: post ?? [] }, settings };
}

/** The hooks of one renewal: the folders' first, as certbot runs them, none of them twice. */
function hooksOf(parameters: IniSection, common: CommonHooks): CertificateRequest["hooks"] {
  const own = (key: string, ...settings: readonly string[]) =>
    valueOf(parameters, key) ??
    settings.map((setting) => valueOf(common.settings, setting)).find(Boolean);
  return hooksFrom({
    pre: all(common.folders.pre, own("pre_hook", "pre-hook")),
    deploy: all(common.folders.deploy, own("renew_hook", "deploy-hook", "renew-hook")),
    post: all(common.folders.post, own("post_hook", "post-hook")),
  });
}

function all(programs: readonly HookSetting[], own: string | undefined): HookSetting[] {
  const known = programs.some(({ run }) => run[0] === own);
  return [...programs, ...(own === undefined || known ? [] : [{ run: own, shell: true }])];
}

async function programsIn(folder: string): Promise<readonly HookSetting[]> {
  const hooks: HookSetting[] = [];
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    if (!name.endsWith("~") && (await isProgram(path))) hooks.push({ run: [path] });
  }
  return hooks;
}

/** The kind that certbot would make next; undefined where its defaults have changed with its versions. */
function keyTypeOf(parameters: IniSection): KeyType | undefined {
  const kind = valueOf(parameters, "key_type");
  if (kind === "ecdsa") {
    const curve = valueOf(parameters, "elliptic_curve") ?? "secp256r1";
    const curves: Readonly<Record<string, KeyType>> = { secp256r1: "ec256", secp384r1: "ec384" };
    return curves[curve.toLowerCase()];
  }
  return rsaTypes[valueOf(parameters, "rsa_key_size") ?? (kind === "rsa" ? "2048" : "")];
}

function untaken(conf: IniSection, parameters: IniSection): readonly string[] {
  const installer = valueOf(parameters, "installer");
  // certbot writes it above the first section.
  const before = valueOf(conf, "renew_before_expiry") ?? valueOf(parameters, "renew_before_expiry");
  const notes = [
    installer &&
      `certbot configured ${installer} itself: point ${installer} to acmectl's files, and add a deploy step such as \`systemctl reload ${installer}\`.`,
    isTrue(parameters, "must_staple") && "must_staple was not imported: CAs no longer offer OCSP.",
    isTrue(parameters, "allow_subset_of_names") &&
      "allow_subset_of_names was not imported: acmectl issues for all names or not at all.",
    before &&
      `renew_before_expiry (${before}) was not imported: acmectl asks the CA when to renew, or uses a part of the lifetime.`,
    valueOf(parameters, "autorenew")?.toLowerCase() === "false" &&
      "certbot did not renew it (autorenew = False), but `acmectl renew` will.",
    isTrue(parameters, "no_verify_ssl") &&
      "no_verify_ssl was not imported: give the CA's root with --ca-bundle FILE.",
  ];
  return notes.filter((note) => typeof note === "string");
}

function isTrue(parameters: IniSection, key: string): boolean {
  return valueOf(parameters, key)?.toLowerCase() === "true";
}
