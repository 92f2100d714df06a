/** Access tokens: of a service account (RFC 7523), of a user (RFC 6749 §6), by impersonation, and of this machine. */
import { createPrivateKey, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { Problem } from "acmectl/plugin";
import type { Log } from "acmectl/plugin";
import {
  grantedToken,
  hasAnswer,
  needText,
  once,
  requestJson,
  signedToken,
  textOf,
  tokenIn,
} from "acmectl/plugin/http";
import type { AccessToken } from "acmectl/plugin/http";
import { google } from "./errors.ts";

export interface Credentials {
  /** For people, e.g. `service account acme@example.iam.gserviceaccount.com`. */
  readonly identity: string;
  /** A new token each time. Rejects with a `Refusal` or a Problem. */
  token(scope: string, signal: AbortSignal): Promise<AccessToken>;
  /** The project that they belong to, if they name one. */
  project(signal: AbortSignal): Promise<string | undefined>;
}

/** A JSON document of Google's with credentials. */
export interface Document {
  readonly json: unknown;
  /** Its place, for messages. */
  readonly where: string;
  readonly projectId: string | undefined;
}

/** A member that the document has to have, as text. */
export function needIn({ json, where }: Document, name: string): string {
  const text = textOf(json, name);
  if (text === undefined) throw unusable(where, `has no ${name}`);
  return text;
}

function tokenUriIn({ json }: Document): string {
  return textOf(json, "token_uri") ?? "https://oauth2.googleapis.com/token";
}

/** A service account's key signs a statement about itself, which the token endpoint exchanges. */
export function serviceAccount(document: Document, log: Log): Credentials {
  const email = needIn(document, "client_email");
  const key = privateKey(needIn(document, "private_key"), document.where);
  const header = { alg: "RS256", typ: "JWT", kid: textOf(document.json, "private_key_id") };
  const aud = tokenUriIn(document);
  return {
    identity: `service account ${email}`,
    project: () => Promise.resolve(document.projectId),
    token(scope, signal) {
      const now = Math.floor(Date.now() / 1_000);
      const claims = { iss: email, scope, aud, iat: now, exp: now + 3_600 };
      const grant = {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: signedToken(header, claims, (text) => sign("sha256", text, key)),
      };
      return grantedToken(aud, grant, { vendor: google, log, signal });
    },
  };
}

/** What `gcloud auth application-default login` leaves. */
export function userAccount(document: Document, log: Log): Credentials {
  const grant = {
    grant_type: "refresh_token",
    client_id: needIn(document, "client_id"),
    client_secret: needIn(document, "client_secret"),
    refresh_token: needIn(document, "refresh_token"),
  };
  return {
    identity: "gcloud's login of a user",
    project: () => Promise.resolve(document.projectId),
    token: (_scope, signal) =>
      grantedToken(tokenUriIn(document), grant, { vendor: google, log, signal }),
  };
}

interface Role {
  readonly url: string;
  readonly email: string;
  readonly delegates: readonly unknown[];
}

/** Another service account's token, from IAM. */
export function impersonated(
  source: Credentials,
  { url, email, delegates }: Role,
  log: Log,
): Credentials {
  return {
    identity: `service account ${email} (impersonated by ${source.identity})`,
    project: async (signal) => (await source.project(signal)) ?? projectIn(email),
    async token(scope, signal) {
      const own = await source.token("https://www.googleapis.com/auth/cloud-platform", signal);
      const headers = { authorization: `Bearer ${own.value}` };
      const json = { scope: [scope], lifetime: "3600s", delegates };
      const request = { url, method: "POST", headers, json };
      const answer = await requestJson(request, { vendor: google, log, signal });
      const expires = Date.parse(needText(answer, "expireTime"));
      return { value: needText(answer, "accessToken"), expires };
    },
  };
}

/**
 * The service account of a virtual machine, of Cloud Run, or of a pod under GKE's workload identity. `tried` is the file that
 * was looked for before, for messages.
 */
export function machineAccount(host: string, tried: string, log: Log): Credentials {
  const base = `http://${host}/computeMetadata/v1`;
  const headers = { "metadata-flavor": "Google" };
  const mustBeThere = once(async (signal) => {
    const request = { url: `${base}/?alt=json`, headers };
    if (!(await hasAnswer(request, { vendor: google, signal }))) throw noCredentials(host, tried);
  });
  const read = async (path: string, signal: AbortSignal) => {
    await mustBeThere(signal);
    return requestJson({ url: `${base}/${path}`, headers }, { vendor: google, log, signal });
  };
  return {
    identity: "this machine's service account (metadata server)",
    async token(scope, signal) {
      const path = `instance/service-accounts/default/token?scopes=${encodeURIComponent(scope)}`;
      return tokenIn(await read(path, signal));
    },
    async project(signal) {
      const id = await read("project/project-id?alt=json", signal);
      return typeof id === "string" && id !== "" ? id : undefined;
    },
  };
}

function noCredentials(host: string, tried: string): Problem {
  return new Problem("config", {
    title: "No Google credentials",
    detail: `Solver google: neither credentials nor credentialsFile is set, there is no ${tried}, and no metadata server answers at ${host}`,
    hint: "Set credentials (file:/path to a service account's key), GOOGLE_APPLICATION_CREDENTIALS or GCE_SERVICE_ACCOUNT_FILE, or run `gcloud auth application-default login`. cron, systemd and sudo have neither your shell's variables nor your home folder.",
  });
}

/** The project in a service account's address, if it has one. */
export function projectIn(email: string): string | undefined {
  return /@([^.]+)\.iam\./.exec(email)?.[1];
}

function privateKey(pem: string, where: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw unusable(where, "has a private_key that is not PEM");
  }
}

/** A Problem about a document with credentials. */
export function unusable(where: string, fault: string): Problem {
  return new Problem("config", {
    title: "The credentials are unusable",
    detail: `Solver google: ${where} ${fault}`,
    hint: "Use the JSON that Google creates: a service account's key, the file of `gcloud auth application-default login`, or the configuration of a workload identity pool.",
  });
}
