/** Which credentials are used: those given, in a file, left by gcloud, or the machine's. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Problem } from "acmectl/plugin";
import type { Log } from "acmectl/plugin";
import { codeOf, fieldOf, listOf, parseJson, systemReason, textOf } from "acmectl/plugin/http";
import { externalAccount } from "./external.ts";
import * as tokens from "./tokens.ts";
import type { Credentials } from "./tokens.ts";

interface CredentialOptions {
  readonly credentials: unknown;
  readonly credentialsFile: string | undefined;
  readonly gcloudConfig: string | undefined;
  readonly impersonateServiceAccount: string | undefined;
  readonly iamUrl: string;
  readonly metadataHost: string;
}

/** Reads files, but sends nothing yet. Rejects with a Problem. */
export async function openCredentials(options: CredentialOptions, log: Log): Promise<Credentials> {
  const found = await findCredentials(options, log);
  const email = options.impersonateServiceAccount;
  if (email === undefined) return found;
  if (!/^[^\s/@]+@[^\s/@]+$/.test(email))
    throw new Problem("config", {
      detail: `Solver google: impersonateServiceAccount is ${JSON.stringify(email)}, which is not an address`,
      hint: "Give the whole address, as NAME@PROJECT.iam.gserviceaccount.com.",
    });
  const base = options.iamUrl.replace(/\/+$/, "");
  const url = `${base}/v1/projects/-/serviceAccounts/${encodeURIComponent(email)}:generateAccessToken`;
  return tokens.impersonated(found, { url, email, delegates: [] }, log);
}

async function findCredentials(options: CredentialOptions, log: Log): Promise<Credentials> {
  const { credentials, credentialsFile, metadataHost } = options;
  if (credentials !== undefined) {
    if (credentialsFile !== undefined)
      log.debug(`credentials are given, so ${credentialsFile} is not read`);
    return credentialsIn(credentials, "credentials", log);
  }
  if (credentialsFile !== undefined) {
    const text = await readFile(credentialsFile, "utf8").catch((error: unknown) => {
      throw tokens.unusable(credentialsFile, `cannot be read: ${systemReason(error)}`);
    });
    return credentialsIn(parsed(text, credentialsFile), credentialsFile, log);
  }
  const file = loginFile(options);
  if (file === undefined) {
    const tried = "home folder (HOME) or gcloud folder (CLOUDSDK_CONFIG) to search";
    return tokens.machineAccount(metadataHost, tried, log);
  }
  // A machine account may still do without it.
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (codeOf(error) !== "ENOENT") log.warn(`cannot read ${file}: ${systemReason(error)}`);
    return undefined;
  });
  return text === undefined
    ? tokens.machineAccount(metadataHost, file, log)
    : credentialsIn(parsed(text, file), file, log);
}

/** What `gcloud auth application-default login` writes; nothing where there is no home folder. */
function loginFile({ gcloudConfig }: CredentialOptions): string | undefined {
  try {
    const folder = gcloudConfig ?? join(homedir(), ".config", "gcloud");
    return join(folder, "application_default_credentials.json");
  } catch {
    // Neither HOME nor an entry in the password file.
    return undefined;
  }
}

/** The credentials that a JSON document of Google's holds; `where` names it. */
function credentialsIn(json: unknown, where: string, log: Log): Credentials {
  const type = textOf(json, "type");
  const projectId = textOf(json, "project_id") ?? textOf(json, "quota_project_id");
  const document = { json, where, projectId };
  if (type === "service_account") return tokens.serviceAccount(document, log);
  if (type === "authorized_user") return tokens.userAccount(document, log);
  if (type === "external_account") return externalAccount(document);
  if (type === "impersonated_service_account") {
    const url = tokens.needIn(document, "service_account_impersonation_url");
    const email = /\/([^/]+):generateAccessToken$/.exec(url)?.[1] ?? url;
    const inner = fieldOf(json, "source_credentials");
    const source = credentialsIn(inner, `${where}: source_credentials`, log);
    const role = { url, email, delegates: listOf(json, "delegates") };
    return tokens.impersonated(source, role, log);
  }
  const fault = type === undefined ? "has no type" : `has the unknown type ${type}`;
  throw tokens.unusable(where, fault);
}

function parsed(text: string, where: string): unknown {
  const json = parseJson(text);
  if (json === undefined) throw tokens.unusable(where, "is not JSON");
  return json;
}
