/** Access tokens of an app registration: by its secret, its certificate, or another issuer's token (RFC 6749 §4.4, RFC 7523). */
import {
  createHash,
  createPrivateKey,
  constants,
  randomUUID,
  sign,
  X509Certificate,
} from "node:crypto";
import { readFile } from "node:fs/promises";
import { Problem } from "acmectl/plugin";
import type { Log } from "acmectl/plugin";
import {
  grantedToken,
  needText,
  requestJson,
  signedToken,
  systemReason,
} from "acmectl/plugin/http";
import type { AccessToken } from "acmectl/plugin/http";
import { azure } from "./errors.ts";

export interface Credentials {
  /** For people, e.g. `app 11111111-… by client secret`; with what was found out later. */
  identity(): string;
  /** A new token for the management API each time. Rejects with a `Refusal` or a Problem. */
  token(signal: AbortSignal): Promise<AccessToken>;
}

interface App {
  readonly tenantId: string;
  readonly clientId: string;
  readonly authorityHost: string;
  readonly resource: string;
}

export function bySecret(app: App, secret: string, log: Log): Credentials {
  return granted(app, "client secret", () => Promise.resolve({ client_secret: secret }), log);
}

interface KeyFile {
  /** PEM with a certificate and its private key. */
  readonly file: string;
  readonly password: string | undefined;
}

export function byCertificate(app: App, key: KeyFile, log: Log): Credentials {
  return granted(app, "certificate", async () => asserted(await statement(app, key)), log);
}

/** `outer` returns a token that the app registration trusts, a fresh one each time. */
export function byFederation(
  app: App,
  outer: (signal: AbortSignal) => Promise<string>,
  log: Log,
): Credentials {
  return granted(app, "federated token", async (signal) => asserted(await outer(signal)), log);
}

/** Read each time, since Kubernetes replaces the file. */
export function fileToken(file: string): () => Promise<string> {
  return async () => {
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      throw unusable("federatedTokenFile", file, `cannot be read: ${systemReason(error)}`);
    });
    return text.trim();
  };
}

/** The token in which GitHub states a job's repository and branch. */
export function gitHubToken(
  request: { readonly url: string; readonly token: string },
  log: Log,
): (signal: AbortSignal) => Promise<string> {
  return async (signal) => {
    const url = new URL(request.url);
    url.searchParams.set("audience", "api://AzureADTokenExchange");
    const headers = { authorization: `Bearer ${request.token}` };
    const answer = await requestJson({ url: url.href, headers }, { vendor: azure, log, signal });
    return needText(answer, "value");
  };
}

type Proof = Readonly<Record<string, string>>;

function granted(
  app: App,
  by: string,
  prove: (signal: AbortSignal) => Promise<Proof>,
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

function asserted(assertion: string): Proof {
  return {
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: assertion,
  };
}

function tokenUrl({ authorityHost, tenantId }: App): string {
  return `${authorityHost}/${tenantId}/oauth2/v2.0/token`;
}

/** A statement about the app, signed by the key of its certificate. */
async function statement(app: App, { file, password }: KeyFile): Promise<string> {
  const pem = await readFile(file, "utf8").catch((error: unknown) => {
    throw unusable("clientCertificate", file, `cannot be read: ${systemReason(error)}`);
  });
  const { certificate, key } = pairIn(pem, file, password);
  const now = Math.floor(Date.now() / 1_000);
  const thumbprint = createHash("sha256").update(certificate.raw).digest("base64url");
  const { clientId: me } = app;
  const claims = {
    aud: tokenUrl(app),
    iss: me,
    sub: me,
    jti: randomUUID(),
    nbf: now,
    exp: now + 600,
  };
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return signedToken({ alg: "PS256", typ: "JWT", "x5t#S256": thumbprint }, claims, (text) =>
    sign("sha256", text, { key, padding, saltLength: 32 }),
  );
}

function pairIn(pem: string, file: string, password: string | undefined) {
  try {
    const certificate = new X509Certificate(pem);
    const key = createPrivateKey({ key: pem, passphrase: password });
    if (key.asymmetricKeyType === "rsa" && certificate.checkPrivateKey(key))
      return { certificate, key };
  } catch {
    throw unusable(
      "clientCertificate",
      file,
      "does not hold a certificate and its key as PEM, or the password is wrong",
    );
  }
  throw unusable(
    "clientCertificate",
    file,
    "holds a key that is not the certificate's, or is not an RSA key",
  );
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
