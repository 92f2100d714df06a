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

interface ServiceAccount {
  readonly email: string;
  /** PEM. */
  readonly key: string;
  readonly keyId: string | undefined;
  readonly tokenUri: string;
  readonly projectId: string | undefined;
  /** The document that it was read from, for messages. */
  readonly where: string;
}

/** A service account's key signs a statement about itself, which the token endpoint exchanges. */
export function serviceAccount(account: ServiceAccount, log: Log): Credentials {
  const { email, keyId, tokenUri, projectId } = account;
  const key = privateKey(account);
  return {
    identity: `service account ${email}`,
    project: () => Promise.resolve(projectId),
    token(scope, signal) {
      const now = Math.floor(Date.now() / 1_000);
      const header = { alg: "RS256", typ: "JWT", kid: keyId };
      const claims = { iss: email, scope, aud: tokenUri, iat: now, exp: now + 3_600 };
      const grant = {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: signedToken(header, claims, (text) => sign("sha256", text, key)),
      };
      return grantedToken(tokenUri, grant, { vendor: google, log, signal });
    },
  };
}

interface UserAccount {
  readonly client: { readonly id: string; readonly secret: string };
  readonly refreshToken: string;
  readonly tokenUri: string;
  readonly projectId: string | undefined;
}

/** What `gcloud auth application-default login` leaves. */
export function userAccount(account: UserAccount, log: Log): Credentials {
  const { client, refreshToken, tokenUri, projectId } = account;
  return {
    identity: "gcloud's login of a user",
    project: () => Promise.resolve(projectId),
    token(_scope, signal) {
      const grant = {
        grant_type: "refresh_token",
        client_id: client.id,
        client_secret: client.secret,
        refresh_token: refreshToken,
      };
      return grantedToken(tokenUri, grant, { vendor: google, log, signal });
    },
  };
}

interface Role {
  readonly url: string;
  readonly email: string;
  readonly delegates: readonly unknown[];
}

/** Another service account's token, from IAM. */
export function impersonated(source: Credentials, role: Role, log: Log): Credentials {
  return {
    identity: `service account ${role.email} (impersonated by ${source.identity})`,
    project: async (signal) => (await source.project(signal)) ?? projectIn(role.email),
    async token(scope, signal) {
      const own = await source.token("https://www.googleapis.com/auth/cloud-platform", signal);
      const answer = await requestJson(
        {
          url: role.url,
          method: "POST",
          headers: { authorization: `Bearer ${own.value}` },
          json: { scope: [scope], lifetime: "3600s", delegates: role.delegates },
        },
        { vendor: google, log, signal },
      );
      return {
        value: needText(answer, "accessToken"),
        expires: Date.parse(needText(answer, "expireTime")),
      };
    },
  };
}

interface Machine {
  readonly host: string;
  /** The file that was looked for before, for messages. */
  readonly tried: string;
}

/** The service account of a virtual machine, of Cloud Run, or of a pod under GKE's workload identity. */
export function machineAccount({ host, tried }: Machine, log: Log): Credentials {
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

function privateKey({ key, where }: ServiceAccount): KeyObject {
  try {
    return createPrivateKey(key);
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
