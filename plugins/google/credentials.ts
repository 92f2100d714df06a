/** Which credentials are used: those given, in a file, left by gcloud, or the machine's. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Problem } from "acmectl/plugin";
import type { Log } from "acmectl/plugin";
import { codeOf, fieldOf, listOf, systemReason, textOf } from "acmectl/plugin/http";
import { externalAccount } from "./external.ts";
import { impersonated, machineAccount, serviceAccount, unusable, userAccount } from "./tokens.ts";
import type { Credentials } from "./tokens.ts";

export interface CredentialOptions {
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
  return impersonated(found, { url, email, delegates: [] }, log);
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
      throw unusable(credentialsFile, `cannot be read: ${systemReason(error)}`);
    });
    return credentialsIn(parsed(text, credentialsFile), credentialsFile, log);
  }
  const file = loginFile(options);
  const text = file === undefined ? undefined : await readLogin(file, log);
  if (file !== undefined && text !== undefined) return credentialsIn(parsed(text, file), file, log);
  const tried = file ?? "home folder (HOME) or gcloud folder (CLOUDSDK_CONFIG) to search";
  return machineAccount({ host: metadataHost, tried }, log);
}

/** A machine account may still do without it. */
async function readLogin(file: string, log: Log): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (codeOf(error) !== "ENOENT") log.warn(`cannot read ${file}: ${systemReason(error)}`);
    return undefined;
  }
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
  const need = (name: string): string => {
    const text = textOf(json, name);
    if (text === undefined) throw unusable(where, `has no ${name}`);
    return text;
  };
  const projectId = textOf(json, "project_id") ?? textOf(json, "quota_project_id");
  const tokenUri = textOf(json, "token_uri") ?? "https://oauth2.googleapis.com/token";
  if (type === "service_account")
    return serviceAccount(
      {
        email: need("client_email"),
        key: need("private_key"),
        keyId: textOf(json, "private_key_id"),
        tokenUri,
        projectId,
        where,
      },
      log,
    );
  if (type === "authorized_user") {
    const client = { id: need("client_id"), secret: need("client_secret") };
    return userAccount({ client, refreshToken: need("refresh_token"), tokenUri, projectId }, log);
  }
  if (type === "impersonated_service_account") {
    const url = need("service_account_impersonation_url");
    const email = /\/([^/]+):generateAccessToken$/.exec(url)?.[1] ?? url;
    const source = credentialsIn(
      fieldOf(json, "source_credentials"),
      `${where}: source_credentials`,
      log,
    );
    return impersonated(source, { url, email, delegates: listOf(json, "delegates") }, log);
  }
  if (type === "external_account") return externalAccount(json, { where, projectId });
  throw unusable(where, type === undefined ? "has no type" : `has the unknown type ${type}`);
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unusable(where, "is not JSON");
  }
}
