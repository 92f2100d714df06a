/** What a service expects to be sent, by whose conventions, and what it says when it is done. */
import { randomUUID } from "node:crypto";
import { Problem, type Dns01Challenge } from "acmectl/plugin";
import type { Answer } from "./http.ts";

export const styles = ["httpreq", "httpreq-raw", "cert-manager", "template"] as const;
export type Style = (typeof styles)[number];
export type Action = "present" | "cleanup";

export interface StyleSettings {
  readonly style: Style;
  readonly url: string;
  readonly method: string;
  readonly body: string | undefined;
  readonly cleanupUrl: string | undefined;
  readonly cleanupMethod: string | undefined;
  readonly cleanupBody: string | undefined;
  readonly config: unknown;
  readonly namespace: string;
  readonly ambientCredentials: boolean;
}

export interface Message {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  /** Why a 2xx answer is no success; undefined when it is one. */
  readonly fault: (answer: Answer) => string | undefined;
}

/** What one call says; `zone` is asked for only where it is needed. */
export interface Said {
  readonly action: Action;
  readonly challenge: Dns01Challenge;
  readonly zone: () => Promise<string>;
}

/** The request for one call. Throws a Problem of kind `config` where the settings do not fit together. */
export async function messageOf(settings: StyleSettings, said: Said): Promise<Message> {
  const { style } = settings;
  if (style === "template") return templated(settings, said);
  if (style === "cert-manager") return certManager(settings, said);
  const { action, challenge } = said;
  const { identifier, token, keyAuthorization: keyAuth, recordName, recordValue } = challenge;
  const body =
    style === "httpreq"
      ? { fqdn: `${recordName}.`, value: recordValue }
      : { domain: identifier.value, token, keyAuth };
  return {
    method: "POST",
    url: joined(settings.url, action),
    body: JSON.stringify(body),
    // Lego looks at nothing but the status.
    fault: () => undefined,
  };
}

/** The action below the URL's own path; its query stays. */
function joined(base: string, action: Action): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${action}`;
  return url.href;
}

async function templated(settings: StyleSettings, said: Said): Promise<Message> {
  const { url, method, body = "", cleanupUrl, cleanupMethod, cleanupBody } = settings;
  const own =
    said.action === "present"
      ? { url, method, body }
      : {
          url: cleanupUrl ?? url,
          method: cleanupMethod ?? method,
          body: cleanupBody ?? body,
        };
  return {
    method: own.method,
    url: await filled(own.url, said, encodeURIComponent),
    body: await filled(own.body, said, (text) => JSON.stringify(text).slice(1, -1)),
    fault: () => undefined,
  };
}

async function filled(
  text: string,
  { action, challenge, zone }: Said,
  written: (value: string) => string,
): Promise<string> {
  const values: Readonly<Record<string, string>> = {
    action,
    domain: challenge.identifier.value,
    fqdn: challenge.recordName,
    value: challenge.recordValue,
    token: challenge.token,
    keyAuth: challenge.keyAuthorization,
    type: challenge.type,
    zone: /\{zone\}|%7Bzone%7D/i.test(text) ? await zone() : "",
  };
  // Braces of JSON are no placeholders: those have a word in them and nothing else.
  return text.replaceAll(/(?:\{|%7B)(\w+)(?:\}|%7D)/gi, (_, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value !== undefined) return written(value);
    throw new Problem("config", {
      detail: `The webhook solver's template has the placeholder {${name}}, which means nothing.`,
      hint: `There are ${Object.keys(values)
        .map((one) => `{${one}}`)
        .join(", ")}.`,
    });
  });
}

/** `webhook.acme.cert-manager.io` as the webhooks of cert-manager know it. */
async function certManager(settings: StyleSettings, said: Said): Promise<Message> {
  const { action, challenge, zone } = said;
  const uid = randomUUID();
  const request = {
    uid,
    action: action === "present" ? "Present" : "CleanUp",
    type: "dns-01",
    dnsName: challenge.identifier.value,
    key: challenge.recordValue,
    resourceNamespace: settings.namespace,
    resolvedFQDN: `${challenge.recordName}.`,
    resolvedZone: `${await zone()}.`,
    allowAmbientCredentials: settings.ambientCredentials,
    config: settings.config ?? {},
  };
  const payload = { kind: "ChallengePayload", apiVersion: apiVersionOf(settings.url), request };
  return {
    method: "POST",
    url: settings.url,
    body: JSON.stringify(payload),
    fault: (answer) => certManagerFault(answer, uid),
  };
}

function apiVersionOf(url: string): string {
  const found = /\/apis\/([^/]+\/[^/]+)\/[^/]+\/?$/.exec(new URL(url).pathname);
  if (found?.[1] !== undefined) return found[1];
  throw new Problem("config", {
    detail: `The webhook solver's URL ${url} is not one of cert-manager's webhooks.`,
    hint: "It ends in /apis/GROUP/v1alpha1/SOLVER, e.g. https://webhook.example.com/apis/acme.example.com/v1alpha1/my-solver.",
  });
}

function certManagerFault({ json }: Answer, uid: string): string | undefined {
  const response = isRecord(json) ? json["response"] : undefined;
  if (!isRecord(response)) return "its answer has no response";
  if (response["uid"] !== uid) return "its answer is to another request (uid)";
  if (response["success"] === true) return undefined;
  const { status } = response;
  const message = isRecord(status) ? status["message"] : undefined;
  return `it reports no success: ${typeof message === "string" ? message.slice(0, 1000) : "it does not say why"}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
