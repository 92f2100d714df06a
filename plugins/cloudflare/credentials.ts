/** Which credentials are sent to write records, and which to find zones. */
import type { Problem } from "acmectl/plugin";
import { misconfigured, printable } from "acmectl/plugin/http";
import type { Credentials } from "./client.ts";

export interface CredentialOptions {
  readonly apiToken: string | undefined;
  readonly zoneToken: string | undefined;
  readonly apiKey: string | undefined;
  readonly email: string | undefined;
}

export interface Identity {
  readonly credentials: Credentials;
  readonly identity: string;
}

export function credentialsOf(options: CredentialOptions): {
  writing: Identity;
  finding: Identity;
} {
  const { apiToken, zoneToken } = options;
  const writing = apiToken === undefined ? keyOf(options) : tokenOf("apiToken", apiToken);
  if (apiToken !== undefined && options.apiKey !== undefined)
    throw wrong(
      "both apiToken and apiKey are set",
      "Keep the token, which can be limited to a zone. Look for leftovers among CLOUDFLARE_API_TOKEN, CF_DNS_API_TOKEN, CF_Token, CLOUDFLARE_API_KEY, CF_API_KEY and CF_Key.",
    );
  return { writing, finding: zoneToken === undefined ? writing : tokenOf("zoneToken", zoneToken) };
}

function tokenOf(option: string, value: string): Identity {
  return {
    credentials: { apiToken: printable("cloudflare", option, value) },
    identity: `the API token (${option})`,
  };
}

function keyOf({ apiKey, email }: CredentialOptions): Identity {
  if (apiKey === undefined)
    throw wrong(
      email === undefined ? "no credentials are set" : "email is set without apiKey or apiToken",
      "Set apiToken (CLOUDFLARE_DNS_API_TOKEN) to an API token with Zone:Read and DNS:Edit, created at https://dash.cloudflare.com/profile/api-tokens.",
    );
  if (email === undefined)
    throw wrong(
      "apiKey is set without email",
      "Set email (CLOUDFLARE_EMAIL) to the login of the account, or use an API token instead.",
    );
  const credentials = {
    apiKey: printable("cloudflare", "apiKey", apiKey),
    email: printable("cloudflare", "email", email),
  };
  return { credentials, identity: `the Global API Key of ${email}` };
}

export function wrong(what: string, hint: string): Problem {
  return misconfigured("cloudflare", what, hint);
}
