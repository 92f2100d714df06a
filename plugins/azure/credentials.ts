/** Which way to an access token is used: by what is set, or by what this machine has. */
import type { Log, OptionsOf, Problem } from "acmectl/plugin";
import { misconfigured, printable } from "acmectl/plugin/http";
import type { Cloud } from "./client.ts";
import type { options } from "./options.ts";
import * as tokens from "./tokens.ts";
import type { App, Credentials } from "./tokens.ts";

/** The options of the solver, with the addresses of its cloud. */
type CredentialOptions = OptionsOf<typeof options> & Cloud;

/** Sends nothing yet. Throws a Problem if what is set is incomplete or contradicts itself. */
export function openCredentials(options: CredentialOptions, log: Log): Credentials {
  const { accessToken, clientSecret, clientCertificate, resource } = options;
  if (clientSecret !== undefined && clientCertificate !== undefined)
    throw wrong(
      "both clientSecret and clientCertificate are set",
      "Keep one. Look for leftovers among AZURE_CLIENT_SECRET, AZUREDNS_CLIENTSECRET, ARM_CLIENT_SECRET and AZURE_CLIENT_CERTIFICATE_PATH.",
    );
  const method = options.managedIdentity ? "msi" : options.authMethod;
  if (method === undefined && accessToken !== undefined) return givenToken(accessToken);
  switch (method ?? methodBySettings(options)) {
    case "env":
      return ownCredentials(options, log);
    case "wli":
      return federated(options, log);
    case "oidc":
      return gitHub(options, log);
    case "msi":
      return tokens.managedIdentity(options, true, log);
    case "cli":
      return tokens.azLogin(resource);
    default:
      assertNoApp(options);
      log.debug(
        "neither clientSecret, clientCertificate nor federatedTokenFile is set: trying a managed identity of this machine, then az's login",
      );
      return eitherOf(tokens.managedIdentity(options, false, log), tokens.azLogin(resource));
  }
}

function methodBySettings(options: CredentialOptions): string | undefined {
  const { clientId, tenantId } = options;
  if (options.clientSecret !== undefined || options.clientCertificate !== undefined) return "env";
  if (options.federatedTokenFile !== undefined) return "wli";
  const isApp = clientId !== undefined && tenantId !== undefined;
  return isApp && options.oidcRequestUrl !== undefined ? "oidc" : undefined;
}

/** A managed identity needs no tenant: a tenant means an app registration. */
function assertNoApp({ tenantId, clientId }: CredentialOptions): void {
  if (tenantId === undefined || clientId === undefined) return;
  throw wrong(
    "tenantId and clientId are set, and clientSecret is missing (or clientCertificate, or federatedTokenFile)",
    `Set clientSecret (AZURE_CLIENT_SECRET) of the app registration ${clientId}. For a managed identity of this machine set authMethod to msi (AZURE_AUTH_METHOD=msi), for az's login to cli.`,
  );
}

function ownCredentials(options: CredentialOptions, log: Log): Credentials {
  const { clientSecret, clientCertificate: file, clientCertificatePassword: password } = options;
  if (clientSecret !== undefined) {
    const prove = () => Promise.resolve({ client_secret: clientSecret });
    return tokens.appCredentials(appOf(options, "clientSecret"), "client secret", prove, log);
  }
  if (file !== undefined) {
    const app = appOf(options, "clientCertificate");
    const prove = async () => tokens.asserted(await tokens.statement(app, file, password));
    return tokens.appCredentials(app, "certificate", prove, log);
  }
  throw wrong(
    "authMethod is env, and neither clientSecret nor clientCertificate is set",
    "Set clientSecret (AZURE_CLIENT_SECRET) or clientCertificate (AZURE_CLIENT_CERTIFICATE_PATH).",
  );
}

function federated(options: CredentialOptions, log: Log): Credentials {
  const { federatedTokenFile: file } = options;
  if (file !== undefined) {
    const prove = async () => tokens.asserted(await tokens.fileToken(file));
    const app = appOf(options, "federatedTokenFile");
    return tokens.appCredentials(app, "federated token", prove, log);
  }
  throw wrong(
    "authMethod is wli, and federatedTokenFile is not set",
    "Set federatedTokenFile (AZURE_FEDERATED_TOKEN_FILE). In Kubernetes check that the pod has the label azure.workload.identity/use, and that its service account is annotated.",
  );
}

function gitHub(options: CredentialOptions, log: Log): Credentials {
  const { oidcRequestUrl: url, oidcRequestToken: token } = options;
  if (url !== undefined && token !== undefined) {
    const prove = async (signal: AbortSignal) =>
      tokens.asserted(await tokens.gitHubToken({ url, token }, log, signal));
    return tokens.appCredentials(appOf(options, "oidcRequestUrl"), "federated token", prove, log);
  }
  throw wrong(
    "ACTIONS_ID_TOKEN_REQUEST_URL or ACTIONS_ID_TOKEN_REQUEST_TOKEN is not set",
    "Add `permissions: { id-token: write }` to the job: then GitHub sets both.",
  );
}

function appOf(options: CredentialOptions, given: string): App {
  const { tenantId, clientId, authorityHost, resource } = options;
  if (tenantId === undefined || clientId === undefined) {
    const parts = {
      "tenantId (AZURE_TENANT_ID)": tenantId,
      "clientId (AZURE_CLIENT_ID)": clientId,
    };
    const absent = Object.entries(parts).filter(([, value]) => value === undefined);
    const missing = absent.map(([name]) => name).join(" and ");
    throw wrong(`${given} is set without ${missing}`, `Set ${missing} too.`);
  }
  if (!/^[\w.-]+$/.test(tenantId))
    throw wrong(
      `tenantId is ${JSON.stringify(tenantId)}, which is not a tenant`,
      "Set the directory's id or domain.",
    );
  return { tenantId, clientId, authorityHost, resource };
}

function givenToken(token: string): Credentials {
  const value = printable("azure", "accessToken", token);
  return {
    identity: () => "the access token (accessToken)",
    token: () => Promise.resolve({ value, expires: Number.POSITIVE_INFINITY }),
  };
}

/** The second if the first does not exist on this machine. */
function eitherOf(
  one: Credentials & { isThere(signal: AbortSignal): Promise<boolean> },
  other: Credentials,
): Credentials {
  let chosen: Credentials | undefined;
  return {
    identity: () => (chosen ?? one).identity(),
    async token(signal) {
      chosen ??= (await one.isThere(signal)) ? one : other;
      return chosen.token(signal);
    },
  };
}

function wrong(what: string, hint: string): Problem {
  return misconfigured("azure", what, hint);
}
