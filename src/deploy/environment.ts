/** The environment of commands: our own variables and those that scripts for certbot, lego and acme.sh know. */
import { delimiter, dirname } from "node:path";
import type { CertificateRequest, VersionMeta } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { CertificateFiles, ForeignFiles, HeldCertificate, Store } from "../state/store.ts";
import { withoutPassword } from "../state/url.ts";
import { isSecretVariable, secretVariables } from "./secrets.ts";
import type { DeployTools } from "./tools.ts";

export type HookEvent = "pre" | "deploy" | "post" | "failure";
export type Variables = Readonly<Record<string, string>>;

/** What acmectl itself was given, and what it knows to be secret of it. */
export type Surrounding = Pick<DeployTools, "env" | "redact" | "requests">;

/**
 * The environment of acmectl without its own options and without anything secret, whatever its use; with the folders that
 * cron's PATH lacks.
 */
export function inheritedEnvironment(
  { env, redact = (text) => text, requests: all = [] }: Surrounding,
  requests: readonly CertificateRequest[],
): Variables {
  const named = new Set([...all, ...requests].flatMap((request) => [...secretVariables(request)]));
  const isKept = (entry: [string, string | undefined]): entry is [string, string] => {
    const [name, value] = entry;
    if (value === undefined || named.has(name) || isSecretVariable(name, value)) return false;
    if (value.trim() !== "" && redact(value.trim()) === "***") return false;
    return !name.startsWith("ACMECTL_") || ownFolders.has(name);
  };
  const kept = Object.entries(env)
    .filter(isKept)
    .map(([name, value]) => [name, name === "ACMECTL_STATE" ? withoutPassword(value) : value]);
  return { ...Object.fromEntries(kept), PATH: searchPath(env["PATH"]) };
}

/** PATH, and the folders of server programs, which cron leaves out. */
export function searchPath(path: string | undefined): string {
  const folders = (path ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...new Set([...folders, ...usualFolders])].join(delimiter);
}

/** The certificate held, as commands see it. */
export interface HeldFiles {
  readonly meta: VersionMeta;
  readonly files: CertificateFiles;
  readonly foreign: ForeignFiles;
}

export async function heldFiles(
  name: string,
  held: HeldCertificate | undefined,
  { certificates }: Store,
): Promise<HeldFiles | undefined> {
  if (held === undefined) return undefined;
  const files = await certificates.files(name);
  const foreign = await certificates.foreignFiles(name);
  if (files === undefined || foreign === undefined) return undefined;
  return { meta: held.meta, files, foreign };
}

/** The variables of a command that is about one certificate. */
export function certificateVariables(
  event: HookEvent,
  request: CertificateRequest,
  held: HeldFiles | undefined,
): Variables {
  const domains = request.identifiers.map(({ value }) => value);
  return safe({
    ACMECTL_HOOK_EVENT: event,
    ACMECTL_HOOK_NAME: request.name,
    ACMECTL_HOOK_DOMAINS: domains.join(","),
    ACMECTL_HOOK_DIRECTORY: request.issuer.server,
    ACMECTL_HOOK_KEY_TYPE: request.csr === undefined ? request.keyType : "csr",
    LEGO_HOOK_ACCOUNT_SERVER: request.issuer.server,
    LEGO_HOOK_ACCOUNT_EMAIL: request.issuer.email ?? "",
    LEGO_ACCOUNT_EMAIL: request.issuer.email ?? "",
    LEGO_HOOK_CERT_NAME: request.name,
    LEGO_HOOK_CERT_NAME_SANITIZED: request.name.replaceAll("*", "_").replaceAll(":", "-"),
    LEGO_HOOK_CERT_KEY_TYPE: request.csr === undefined ? request.keyType.toUpperCase() : "",
    LEGO_HOOK_CERT_DOMAINS: domains.join(","),
    LEGO_CERT_DOMAIN: domains[0] ?? "",
    ...acmeShNames(domains),
    ...(event === "deploy" ? { RENEWED_DOMAINS: domains.join(" ") } : {}),
    ...(event === "failure" ? { FAILED_DOMAINS: domains.join(" ") } : {}),
    ...(held === undefined ? {} : heldVariables(request, held)),
  });
}

/** What failed, for a `failure` hook. The texts may be the CA's, so they come as variables alone. */
export function problemVariables(error: unknown): Variables {
  if (!Problem.is(error)) return safe({ ACMECTL_HOOK_PROBLEM_DETAIL: String(error) });
  return safe({
    ACMECTL_HOOK_PROBLEM_TYPE: error.document.type,
    ACMECTL_HOOK_PROBLEM_DETAIL: error.document.detail ?? error.document.title,
    ACMECTL_HOOK_PROBLEM_HINT: error.hint ?? "",
    ACMECTL_HOOK_EXIT_CODE: String(error.exitCode),
    ACMECTL_HOOK_RETRY_AT: error.retryAt?.toISOString() ?? "",
  });
}

/** acme.sh writes `no` where there is no second name. */
function acmeShNames([first = "", ...others]: readonly string[]): Variables {
  const names = [first, ...others].join(",");
  return { Le_Domain: first, Le_Domains: names, Le_Alt: others.join(",") || "no" };
}

/** The variables of a `post` hook, about all certificates of the run. */
export function runVariables(
  renewed: readonly CertificateRequest[],
  failed: readonly CertificateRequest[],
): Variables {
  return safe({
    ACMECTL_HOOK_EVENT: "post",
    RENEWED_DOMAINS: domainsOf(renewed),
    FAILED_DOMAINS: domainsOf(failed),
  });
}

/** Linux refuses a program whose single variable is longer than 128 KiB. */
function domainsOf(requests: readonly CertificateRequest[]): string {
  const names = requests.flatMap(({ identifiers }) => identifiers.map(({ value }) => value));
  const text = names.join(" ");
  return text.length <= longest ? text : text.slice(0, text.lastIndexOf(" ", longest));
}

function secondVariables({ second }: VersionMeta, { second: files }: CertificateFiles): Variables {
  if (second === undefined || files === undefined) return {};
  return {
    ACMECTL_HOOK_SECOND_KEY_TYPE: second.keyType,
    ACMECTL_HOOK_SECOND_FULLCHAIN: files.fullchain,
    ACMECTL_HOOK_SECOND_KEY: files.privateKey ?? "",
    ACMECTL_HOOK_SECOND_CERT: files.certificate,
    ACMECTL_HOOK_SECOND_CHAIN: files.chain,
  };
}

function heldVariables(
  request: CertificateRequest,
  { meta, files, foreign: { lineage, lego, acmeSh } }: HeldFiles,
): Variables {
  return {
    ACMECTL_HOOK_FOLDER: dirname(files.fullchain),
    ACMECTL_HOOK_FULLCHAIN: files.fullchain,
    ACMECTL_HOOK_KEY: files.privateKey ?? "",
    ACMECTL_HOOK_CERT: files.certificate,
    ACMECTL_HOOK_CHAIN: files.chain,
    ...secondVariables(meta, files),
    ACMECTL_HOOK_SERIAL: meta.serial,
    ACMECTL_HOOK_FINGERPRINT: meta.fingerprint,
    ACMECTL_HOOK_NOT_BEFORE: meta.notBefore,
    ACMECTL_HOOK_NOT_AFTER: meta.notAfter,
    ACMECTL_HOOK_PROFILE: meta.profile ?? "",
    ACMECTL_HOOK_ACCOUNT: meta.account,
    RENEWED_LINEAGE: lineage,
    LEGO_HOOK_ACCOUNT_ID: meta.account,
    ...ofLego("CERT_PATH", lego.fullchain),
    ...ofLego("CERT_KEY_PATH", lego.privateKey ?? ""),
    ...ofLego("ISSUER_CERT_PATH", lego.chain),
    CERT_PATH: acmeSh.certificate,
    CERT_KEY_PATH: acmeSh.privateKey ?? "",
    CA_CERT_PATH: acmeSh.chain,
    CERT_FULLCHAIN_PATH: acmeSh.fullchain,
    ...furtherFiles(request),
  };
}

/** lego names a combined file and a key store where there is one. */
function furtherFiles({ hooks }: CertificateRequest): Variables {
  const steps = hooks.deploy ?? [];
  const [pem] = steps.flatMap((step) => ("copy" in step ? (step.copy.combined ?? []) : []));
  const [store] = steps.flatMap((step) => ("pkcs12" in step ? [step.pkcs12.path] : []));
  return {
    ...(pem === undefined ? {} : ofLego("CERT_PEM_PATH", pem)),
    ...(store === undefined ? {} : ofLego("CERT_PFX_PATH", store)),
  };
}

/** Version 5 and, without `HOOK_`, those before. */
function ofLego(name: string, value: string): Variables {
  return { [`LEGO_HOOK_${name}`]: value, [`LEGO_${name}`]: value };
}

/** A variable cannot hold NUL, and no script expects other control characters in it. */
function safe(variables: Variables): Variables {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, value.replaceAll(/\p{Cc}/gu, " ")]),
  );
}

const longest = 100_000;
const ownFolders: ReadonlySet<string> = new Set(["ACMECTL_STATE", "ACMECTL_CONFIG"]);
const usualFolders = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".split(":");
