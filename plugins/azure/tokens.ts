/**
 * Access tokens: of an app registration by its secret, its certificate or another issuer's token (RFC 6749 §4.4, RFC 7523), and
 * of this machine by its managed identity or az's login.
 */
import { execFile } from "node:child_process";
import {
  constants,
  createHash,
  createPrivateKey,
  randomUUID,
  sign,
  X509Certificate,
} from "node:crypto";
import { readFile } from "node:fs/promises";
import { platform } from "node:os";
import { promisify } from "node:util";
import { Problem } from "acmectl/plugin";
import type { Log, OptionsOf } from "acmectl/plugin";
import {
  codeOf,
  fieldOf,
  grantedToken,
  hasAnswer,
  needText,
  oneLine,
  requestJson,
  signedToken,
  systemReason,
  textOf,
  tokenIn,
} from "acmectl/plugin/http";
import type { AccessToken } from "acmectl/plugin/http";
import { azure } from "./errors.ts";
import type { options } from "./options.ts";

type Options = OptionsOf<typeof options>;

export interface Credentials {
  /** For people, e.g. `app 11111111-… by client secret`; with what was found out later. */
  identity(): string;
  /** A new token for the management API each time. Rejects with a `Refusal` or a Problem. */
  token(signal: AbortSignal): Promise<AccessToken>;
}

export interface App {
  readonly tenantId: string;
  readonly clientId: string;
  readonly authorityHost: string;
  readonly resource: string;
}

/** `prove` gives the members of the request that prove that this is the app, fresh ones each time. */
export function appCredentials(
  app: App,
  by: string,
  prove: (signal: AbortSignal) => Promise<Readonly<Record<string, string>>>,
  log: Log,
): Credentials {
  return {
    identity: () => `app ${app.clientId} of tenant ${app.tenantId} (by ${by})`,
    async token(signal) {
      const grant = {
        grant_type: "client_credentials",
        client_id: app.clientId,
        scope: `${app.resource}/.default`,
        ...(await prove(signal)),
      };
      return grantedToken(tokenUrl(app), grant, { vendor: azure, log, signal });
    },
  };
}

/** The proof by a token that the app registration trusts. */
export function asserted(assertion: string) {
  return {
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: assertion,
  };
}

function tokenUrl({ authorityHost, tenantId }: App): string {
  return `${authorityHost}/${tenantId}/oauth2/v2.0/token`;
}

/** The token of a file, which is read each time, since Kubernetes replaces it. */
export async function fileToken(file: string): Promise<string> {
  return (await read("federatedTokenFile", file)).trim();
}

/** The token in which GitHub states a job's repository and branch. */
export async function gitHubToken(
  request: { readonly url: string; readonly token: string },
  log: Log,
  signal: AbortSignal,
): Promise<string> {
  const url = new URL(request.url);
  url.searchParams.set("audience", "api://AzureADTokenExchange");
  const headers = { authorization: `Bearer ${request.token}` };
  const answer = await requestJson({ url: url.href, headers }, { vendor: azure, log, signal });
  return needText(answer, "value");
}

/** A statement about the app, signed by the key of its certificate; both are in a PEM file. */
export async function statement(
  app: App,
  file: string,
  password: string | undefined,
): Promise<string> {
  const { certificate, key } = pairIn(await read("clientCertificate", file), file, password);
  const now = Math.floor(Date.now() / 1_000);
  const thumbprint = createHash("sha256").update(certificate.raw).digest("base64url");
  const { clientId: me } = app;
  const times = { nbf: now, exp: now + 600 };
  const claims = { aud: tokenUrl(app), iss: me, sub: me, jti: randomUUID(), ...times };
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return signedToken({ alg: "PS256", typ: "JWT", "x5t#S256": thumbprint }, claims, (text) =>
    sign("sha256", text, { key, padding, saltLength: 32 }),
  );
}

function pairIn(pem: string, file: string, passphrase: string | undefined) {
  let fault = "holds a key that is not the certificate's, or is not an RSA key";
  try {
    const certificate = new X509Certificate(pem);
    const key = createPrivateKey({ key: pem, passphrase });
    if (key.asymmetricKeyType === "rsa" && certificate.checkPrivateKey(key))
      return { certificate, key };
  } catch {
    fault = "does not hold a certificate and its key as PEM, or the password is wrong";
  }
  throw unusable("clientCertificate", file, fault);
}

function read(option: "clientCertificate" | "federatedTokenFile", file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: unknown) => {
    throw unusable(option, file, `cannot be read: ${systemReason(error)}`);
  });
}

function unusable(option: string, file: string, fault: string): Problem {
  return new Problem("config", {
    title: "The credentials are unusable",
    detail: `Solver azure: ${option} ${file} ${fault}`,
    hint:
      option === "clientCertificate"
        ? "Convert a PFX file to PEM with `openssl pkcs12 -in app.pfx -nodes -out app.pem`."
        : "Enable workload identity for the pod: then Kubernetes mounts this file.",
  });
}

type Machine = Options & { readonly resource: string };

/** Of a virtual machine by its metadata service, of App Service and Functions by their endpoint. `required`: fail if it does not exist. */
export function managedIdentity(machine: Machine, required: boolean, log: Log) {
  const { url, headers, hasEndpoint } = questionOf(machine);
  const isThere = async (signal: AbortSignal) =>
    hasEndpoint || hasAnswer({ url, headers }, { vendor: azure, signal });
  return {
    identity: () => `the managed identity ${machine.clientId ?? "of this machine"}`,
    /** Does this machine have a metadata service, or an endpoint? */
    isThere,
    async token(signal: AbortSignal) {
      if (required && !(await isThere(signal))) throw absent(machine.imdsUrl);
      return tokenIn(await requestJson({ url, headers }, { vendor: azure, log, signal }));
    },
  };
}

function questionOf({ clientId, identityEndpoint, identityHeader, resource, imdsUrl }: Machine) {
  const query = new URLSearchParams({ resource });
  if (clientId !== undefined) query.set("client_id", clientId);
  if (identityEndpoint !== undefined && identityHeader !== undefined) {
    query.set("api-version", "2019-08-01");
    const headers = { "x-identity-header": identityHeader };
    return { url: `${identityEndpoint}?${query.toString()}`, headers, hasEndpoint: true };
  }
  query.set("api-version", "2018-02-01");
  const base = `${imdsUrl.replace(/\/+$/, "")}/metadata/identity/oauth2/token`;
  return { url: `${base}?${query.toString()}`, headers: { metadata: "true" }, hasEndpoint: false };
}

function absent(imdsUrl: string): Problem {
  return new Problem("config", {
    title: "No managed identity",
    detail: `Solver azure: a managed identity was requested, but no metadata service answers at ${imdsUrl}`,
    hint: "Outside Azure set tenantId, clientId and clientSecret (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), and leave authMethod out.",
  });
}

/** For people at their own machine. */
export function azLogin(resource: string): Credentials {
  return {
    identity: () => "az's login",
    async token(signal) {
      const args = ["account", "get-access-token", "--output", "json", "--resource", resource];
      const answer = await az(args, signal);
      const value = textOf(answer, "accessToken");
      if (value === undefined) throw noToken("its answer has no accessToken");
      const until = fieldOf(answer, "expires_on");
      return { value, expires: typeof until === "number" ? until * 1_000 : Date.now() + 300_000 };
    },
  };
}

async function az(args: readonly string[], signal: AbortSignal): Promise<unknown> {
  // It is slow. On Windows it is a batch file, which only a shell runs; all arguments are ours.
  const options = { timeout: 30_000, signal, shell: platform() === "win32" };
  try {
    const { stdout } = await promisify(execFile)("az", args, options);
    return JSON.parse(stdout);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SyntaxError) throw noToken("its answer is not JSON");
    if (codeOf(error) === "ENOENT") throw noCredentials();
    const words = oneLine(textOf(error, "stderr") ?? "");
    throw noToken(words || `it failed (${String(fieldOf(error, "code"))})`);
  }
}

function noToken(why: string): Problem {
  return new Problem("config", {
    title: "az returned no token",
    detail: `Solver azure: az account get-access-token: ${why}`,
    hint: "Log in with `az login`, or set tenantId, clientId and clientSecret.",
  });
}

function noCredentials(): Problem {
  return new Problem("config", {
    title: "No Azure credentials",
    detail:
      "Solver azure: none of clientSecret, clientCertificate, federatedTokenFile and accessToken is set, no metadata service answers, and the program az is not installed",
    hint: "Set tenantId, clientId and clientSecret (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET) of an app registration. cron, systemd and sudo do not have your shell's variables.",
  });
}
