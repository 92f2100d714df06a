/** Access tokens by OAuth 2.0: for a service account (RFC 7523), for a user (RFC 6749 §6), and by impersonation. */
import { createPrivateKey, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { fieldOf, needText, requestJson } from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import type { AccessToken } from "acmectl/plugin/http";
import { unusable } from "./identity.ts";
import type { Credentials } from "./identity.ts";
import { google } from "./vendor.ts";

interface ServiceAccount {
  readonly email: string;
  /** PEM. */
  readonly key: string;
  readonly keyId: string | undefined;
  readonly tokenUri: string;
  readonly projectId: string | undefined;
  /** The document that it was read from. */
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
      const header = { alg: "RS256", typ: "JWT", ...(keyId === undefined ? {} : { kid: keyId }) };
      const claims = { iss: email, scope, aud: tokenUri, iat: now, exp: now + 3_600 };
      const statement = `${encoded(header)}.${encoded(claims)}`;
      const signature = sign("sha256", Buffer.from(statement), key).toString("base64url");
      const grant = {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: `${statement}.${signature}`,
      };
      return granted(tokenUri, grant, log, signal);
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
      return granted(tokenUri, grant, log, signal);
    },
  };
}

interface Role {
  readonly url: string;
  readonly email: string;
  readonly delegates: readonly unknown[];
}

/** Another service account's token, made by IAM for whoever may. */
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
          headers: { authorization: `Bearer ${own.value}`, "content-type": "application/json" },
          body: JSON.stringify({ scope: [scope], lifetime: "3600s", delegates: role.delegates }),
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

/** The project in a service account's address, if it has one. */
export function projectIn(email: string): string | undefined {
  return /@([^.]+)\.iam\./.exec(email)?.[1];
}

/** The token in an answer of a token endpoint, or of the metadata server. */
export function tokenIn(answer: unknown): AccessToken {
  const seconds = fieldOf(answer, "expires_in");
  return {
    value: needText(answer, "access_token"),
    expires: Date.now() + (typeof seconds === "number" ? seconds : 300) * 1_000,
  };
}

async function granted(
  url: string,
  grant: Readonly<Record<string, string>>,
  log: Log,
  signal: AbortSignal,
): Promise<AccessToken> {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = new URLSearchParams(grant).toString();
  const request = { url, method: "POST", headers, body };
  return tokenIn(await requestJson(request, { vendor: google, log, signal }));
}

function privateKey({ key, where }: ServiceAccount): KeyObject {
  try {
    return createPrivateKey(key);
  } catch {
    throw unusable(where, "has a private_key that is no PEM");
  }
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
