/** Workload and workforce identity federation, by Google's own library, which is loaded when it is needed. */
import type {
  AwsClientOptions,
  BaseExternalAccountClient,
  IdentityPoolClientOptions,
  PluggableAuthClientOptions,
} from "google-auth-library";
import { Problem } from "acmectl/plugin";
import { abortable, fieldOf, messageOf, oneLine, textOf } from "acmectl/plugin/http";
import { projectIn, unusable } from "./tokens.ts";
import type { Credentials, Document } from "./tokens.ts";

/** Credentials that a pool at Google trusts: an AWS role, a CI system's token, a certificate, a program. */
export function externalAccount({ json, where, projectId }: Document): Credentials {
  if (!isExternalAccount(json))
    throw unusable(where, "has no audience, token_url or credential_source");
  const identity = `workload identity ${json.audience}`;
  let client: Promise<BaseExternalAccountClient> | undefined;
  const role = textOf(json, "service_account_impersonation_url") ?? "";
  return {
    identity,
    project: () => Promise.resolve(projectId ?? projectIn(role)),
    async token(scope, signal) {
      try {
        const opened = await (client ??= open(json, scope).then(confined));
        const { token } = await abortable(opened.getAccessToken(), signal);
        if (typeof token !== "string") throw new TypeError("an answer without a token");
        return { value: token, expires: opened.credentials.expiry_date ?? Date.now() + 300_000 };
      } catch (error) {
        signal.throwIfAborted();
        // The error itself holds the request, and with it the token that was to be exchanged.
        const words = oneLine(messageOf(error));
        throw new Problem("config", {
          title: "Workload identity failed",
          detail: `Google: no access token for ${identity} (${where}): ${words}`,
          hint: "Check that the token of the outer identity exists and is fresh (credential_source), that the pool's provider trusts its issuer and audience, and that the principal may act as the service account (roles/iam.workloadIdentityUser).",
        });
      }
    },
  };
}

/** The library's own function for this warns on the console of documents from unknown sources; this one is its owner's. */
async function open(json: object, scope: string): Promise<BaseExternalAccountClient> {
  const { AwsClient, IdentityPoolClient, PluggableAuthClient } =
    await import("google-auth-library");
  const options = { ...json, scopes: [scope], transporterOptions };
  if (isAws(options)) return new AwsClient(options);
  if (isProgram(options)) return new PluggableAuthClient(options);
  if (isPool(options)) return new IdentityPoolClient(options);
  throw new TypeError("the kind of the credential_source is unknown");
}

/** A redirect would carry the token that is exchanged to another server; an answer has a few kilobytes. */
const transporterOptions = { redirect: "error", size: 2 ** 20, timeout: 30_000 } as const;

/** The library makes the client that exchanges the token itself, without these options. */
function confined<C extends BaseExternalAccountClient>(client: C): C {
  const transporter = fieldOf(fieldOf(client, "stsCredential"), "transporter");
  if (typeof transporter !== "object" || transporter === null)
    throw new TypeError("Google's library has no client for the exchange of tokens");
  Object.assign(transporter, { defaults: transporterOptions });
  return client;
}

function isAws(json: object): json is AwsClientOptions {
  return fieldOf(fieldOf(json, "credential_source"), "environment_id") !== undefined;
}

function isProgram(json: object): json is PluggableAuthClientOptions {
  return fieldOf(fieldOf(json, "credential_source"), "executable") !== undefined;
}

function isPool(json: object): json is IdentityPoolClientOptions {
  return fieldOf(json, "credential_source") !== undefined;
}

function isExternalAccount(json: unknown): json is { readonly audience: string } {
  const texts = ["audience", "subject_token_type", "token_url"];
  const hasTexts = texts.every((name) => textOf(json, name) !== undefined);
  return hasTexts && typeof fieldOf(json, "credential_source") === "object";
}
