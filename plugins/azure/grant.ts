/** Access tokens for an app registration: by its secret, its certificate, or somebody else's token (RFC 6749 §4.4, RFC 7523). */
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
import { Refusal, requestJson, textOf } from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import { tokenIn } from "./identity.ts";
import type { Credentials } from "./identity.ts";
import { azure } from "./vendor.ts";

export interface App {
  readonly tenantId: string;
  readonly clientId: string;
  readonly authorityHost: string;
  readonly resource: string;
}

export function bySecret(app: App, secret: string, log: Log): Credentials {
  return granted(app, "client secret", () => Promise.resolve({ client_secret: secret }), log);
}

export interface KeyFile {
  /** PEM with a certificate and its private key. */
  readonly file: string;
  readonly password: string | undefined;
}

export function byCertificate(app: App, key: KeyFile, log: Log): Credentials {
  return granted(app, "certificate", async () => asserted(await statement(app, key)), log);
}

/** `outer` gives a token that the app registration trusts, a fresh one each time. */
export function byFederation(
  app: App,
  outer: (signal: AbortSignal) => Promise<string>,
  log: Log,
): Credentials {
  return granted(app, "federated token", async (signal) => asserted(await outer(signal)), log);
}

/** Kubernetes changes the file now and then. */
export function fileToken(file: string): () => Promise<string> {
  return async () => {
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      throw unusable("federatedTokenFile", file, `cannot be read: ${textOf(error, "code") ?? "?"}`);
    });
    return text.trim();
  };
}

export interface TokenRequest {
  readonly url: string;
  readonly token: string;
}

/** The token by which GitHub says which repository and branch a job is of. */
export function gitHubToken(
  request: TokenRequest,
  log: Log,
): (signal: AbortSignal) => Promise<string> {
  return async (signal) => {
    const url = new URL(request.url);
    url.searchParams.set("audience", "api://AzureADTokenExchange");
    const headers = { authorization: `Bearer ${request.token}` };
    const value = textOf(
      await requestJson({ url: url.href, headers }, { vendor: azure, log, signal }),
      "value",
    );
    if (value === undefined) throw new Refusal({ words: "an answer of GitHub's without value" });
    return value;
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
      const body = new URLSearchParams({
        grant_type: "client_credentials",
        client_id: app.clientId,
        scope: `${app.resource}/.default`,
        ...(await prove(signal)),
      }).toString();
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const request = { url: tokenUrl(app), method: "POST", headers, body };
      return tokenIn(await requestJson(request, { vendor: azure, log, signal }));
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

/** What the key of the certificate says about the app to whom it was registered. */
async function statement(app: App, { file, password }: KeyFile): Promise<string> {
  const pem = await readFile(file, "utf8").catch((error: unknown) => {
    throw unusable("clientCertificate", file, `cannot be read: ${textOf(error, "code") ?? "?"}`);
  });
  const { certificate, key } = pairIn(pem, file, password);
  const now = Math.floor(Date.now() / 1_000);
  const thumbprint = createHash("sha256").update(certificate.raw).digest("base64url");
  const header = { alg: "PS256", typ: "JWT", "x5t#S256": thumbprint };
  const { clientId: me } = app;
  const claims = {
    aud: tokenUrl(app),
    iss: me,
    sub: me,
    jti: randomUUID(),
    nbf: now,
    exp: now + 600,
  };
  const said = `${encoded(header)}.${encoded(claims)}`;
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  const signature = sign("sha256", Buffer.from(said), { key, padding, saltLength: 32 });
  return `${said}.${signature.toString("base64url")}`;
}

function pairIn(pem: string, file: string, password: string | undefined) {
  try {
    const certificate = new X509Certificate(pem);
    const key = createPrivateKey({
      key: pem,
      ...(password === undefined ? {} : { passphrase: password }),
    });
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
    "holds a key that is not the certificate's, or no RSA key",
  );
}

function unusable(option: string, file: string, fault: string): Problem {
  return new Problem("config", {
    title: "The credentials are unusable",
    detail: `Solver azure: ${option} ${file} ${fault}`,
    hint:
      option === "clientCertificate"
        ? "A PFX file becomes PEM by `openssl pkcs12 -in app.pfx -nodes -out app.pem`."
        : "Kubernetes mounts it where workload identity is switched on for the pod.",
  });
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
