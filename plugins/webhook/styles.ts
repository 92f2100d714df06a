/** The requests that a service expects, by style, and what counts as success. */
import { randomUUID } from "node:crypto";
import { Problem, type Dns01Challenge } from "acmectl/plugin";
import { isRecord } from "acmectl/plugin/http";
import type { WebhookOptions } from "./options.ts";

export type Action = "present" | "cleanup";

export interface Answer {
  readonly status: number;
  /** The body, or its beginning. */
  readonly text: string;
  /** Undefined if the body is not JSON, or too long. */
  readonly json: unknown;
  readonly location: string | undefined;
}

export interface WebhookRequest {
  readonly method: WebhookOptions["method"];
  readonly url: string;
  readonly body: string;
  /** Why a 2xx response is a failure; undefined if it is a success. */
  readonly fault: (answer: Answer) => string | undefined;
}

/** One call. `zone` is looked up only if the style needs it. */
export interface Task {
  readonly action: Action;
  readonly challenge: Dns01Challenge;
  readonly zone: () => Promise<string>;
}

/** The request for one call. Throws a Problem of kind `config` if the settings do not fit together. */
export async function requestFor(settings: WebhookOptions, task: Task): Promise<WebhookRequest> {
  const { style } = settings;
  if (style === "template") return templated(settings, task);
  if (style === "cert-manager") return certManager(settings, task);
  const { action, challenge } = task;
  const { identifier, token, keyAuthorization: keyAuth, recordName, recordValue } = challenge;
  const body =
    style === "httpreq"
      ? { fqdn: `${recordName}.`, value: recordValue }
      : { domain: identifier.value, token, keyAuth };
  return {
    method: "POST",
    url: joined(settings.url, action),
    body: JSON.stringify(body),
    // Lego checks only the status.
    fault: () => undefined,
  };
}

/** Appends the action to the path of the URL and keeps its query. */
function joined(base: string, action: Action): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${action}`;
  return url.href;
}

async function templated(settings: WebhookOptions, task: Task): Promise<WebhookRequest> {
  const { url, method, body = "", cleanupUrl, cleanupMethod, cleanupBody } = settings;
  const isCleanup = task.action === "cleanup";
  const written = (isCleanup ? cleanupBody : undefined) ?? body;
  return {
    method: (isCleanup ? cleanupMethod : undefined) ?? method,
    url: await filled((isCleanup ? cleanupUrl : undefined) ?? url, task, encodeURIComponent),
    body: await filled(written, task, (text) => JSON.stringify(text).slice(1, -1)),
    fault: () => undefined,
  };
}

async function filled(
  text: string,
  { action, challenge, zone }: Task,
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
  // A placeholder has one word in braces, so JSON is left alone.
  return text.replaceAll(/(?:\{|%7B)(\w+)(?:\}|%7D)/gi, (_, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value !== undefined) return written(value);
    const known = Object.keys(values).map((one) => `{${one}}`);
    throw new Problem("config", {
      detail: `The webhook solver's template has an unknown placeholder {${name}}.`,
      hint: `Use one of ${known.join(", ")}.`,
    });
  });
}

/** A ChallengePayload of `webhook.acme.cert-manager.io`. */
async function certManager(settings: WebhookOptions, task: Task): Promise<WebhookRequest> {
  const { action, challenge, zone } = task;
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
    detail: `The webhook solver's URL ${url} is not the URL of a cert-manager webhook.`,
    hint: "Give a URL that ends in /apis/GROUP/v1alpha1/SOLVER, such as https://webhook.example.com/apis/acme.example.com/v1alpha1/my-solver.",
  });
}

function certManagerFault({ json }: Answer, uid: string): string | undefined {
  const response = isRecord(json) ? json["response"] : undefined;
  if (!isRecord(response)) return "its answer has no `response`";
  if (response["uid"] !== uid) return "its answer is for another request (uid)";
  if (response["success"] === true) return undefined;
  const { status } = response;
  const message = isRecord(status) ? status["message"] : undefined;
  return `it reports a failure: ${typeof message === "string" ? message : "no reason given"}`;
}
