/** One request and its response, limited in size and time; retried only if that is harmless. */
import { setTimeout as sleep } from "node:timers/promises";
import { rootCertificates } from "node:tls";
import type { Dispatcher } from "undici";
import type { Log } from "acmectl/plugin";
import { beginningOf, codeOf, parseJson, proxyFor } from "acmectl/plugin/http";
import type { Credentials } from "./credentials.ts";
import type { WebhookOptions } from "./options.ts";
import type { Answer, WebhookRequest } from "./styles.ts";

export interface HttpSettings extends WebhookOptions {
  readonly credentials: Credentials;
  /** With HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

const mostRedirects = 3;
/** Milliseconds before the first retry, and at most before any. */
const [firstPause, longestPause] = [500, 30_000];

/** Opens no connection yet. */
export async function openHttp(settings: HttpSettings) {
  const { Agent, ProxyAgent, request } = await import("undici");
  const { ca, ...own } = settings.credentials.tls;
  const tls = { ...own, ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) };
  // Shorter than the limit of a request, so that a connection that failed is never taken for a lost response.
  const connect = { ...tls, timeout: Math.min(10_000, settings.timeout / 2) };
  const env = { ...settings.env, ...encodedProxies(settings.env) };
  // A variable that cannot be used is reported before the first request.
  for (const scheme of ["http", "https"]) proxyFor(env, `${scheme}://example.com`);
  const open = new Map<string | undefined, Dispatcher>();
  const dispatcherFor = (url: string) => {
    const uri = proxyFor(env, url);
    const agent =
      open.get(uri) ??
      (uri === undefined
        ? new Agent({ connect })
        : new ProxyAgent({ uri, connect, requestTls: connect }));
    open.set(uri, agent);
    return agent;
  };
  const once = (webhookRequest: WebhookRequest, signal: AbortSignal) =>
    exchange(request, dispatcherFor(webhookRequest.url), webhookRequest, settings, signal);
  let closing: Promise<unknown> | undefined;
  return {
    /** Rejects with the network error if no response comes. */
    send: (request: WebhookRequest, signal: AbortSignal) =>
      retried(() => redirected(once, request, signal), settings, signal),
    close: async () => {
      await (closing ??= Promise.all([...open.values()].map((agent) => agent.close())));
    },
  };
}

/** The variables of proxies, with user name and password encoded where they are not. */
function encodedProxies(env: HttpSettings["env"]): HttpSettings["env"] {
  const names = ["http_proxy", "https_proxy", "all_proxy"];
  const present = [...names, ...names.map((name) => name.toUpperCase())].flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, encoded(value)] as const];
  });
  return Object.fromEntries(present);
}

function encoded(proxy: string): string {
  const [, scheme = "", user, host = ""] = /^\s*(\w+:\/\/)?(?:(.*)@)?([^@]*)$/s.exec(proxy) ?? [];
  if (user === undefined) return proxy;
  const unsafe = /%(?![\da-f]{2})|[^\w.~!$&'()*+,;=:%-]/giu;
  return `${scheme}${user.replaceAll(unsafe, encodeURIComponent)}@${host}`;
}

/** Retries failed connections, 429 and 5xx: the service did nothing, or reports a failure. */
async function retried(
  attempt: () => Promise<Answer & { readonly retryAfter: number | undefined }>,
  { retries, log }: HttpSettings,
  signal: AbortSignal,
): Promise<Answer> {
  for (let left = retries; ; left--) {
    const pause = Math.min(firstPause * 2 ** (retries - left), longestPause);
    const outcome = await attempt().catch((error: unknown) => {
      signal.throwIfAborted();
      if (left === 0 || !unsent.has(codeOf(error))) throw error;
      return codeOf(error);
    });
    const answered = typeof outcome !== "string";
    if (answered && (left === 0 || !(outcome.status === 429 || outcome.status >= 500)))
      return outcome;
    const wait = (answered ? outcome.retryAfter : undefined) ?? pause * (0.5 + Math.random());
    const why = answered ? `HTTP status ${outcome.status}` : outcome;
    log.info(`retrying the webhook in ${Math.ceil(wait / 1_000)} s: ${why}`, { step: "present" });
    await sleep(Math.min(wait, longestPause), undefined, { signal });
  }
}

/** Follows 307 and 308, but only to the same host and scheme: the request has credentials. */
async function redirected<A extends Answer>(
  once: (request: WebhookRequest, signal: AbortSignal) => Promise<A>,
  request: WebhookRequest,
  signal: AbortSignal,
): Promise<A> {
  let { url } = request;
  for (let left = mostRedirects; ; left--) {
    const answer = await once({ ...request, url }, signal);
    const { status, location = "" } = answer;
    const next = URL.parse(location, url);
    const isSame = next?.host === new URL(url).host && next.protocol === new URL(url).protocol;
    if (left === 0 || !isSame || (status !== 307 && status !== 308)) return answer;
    url = next.href;
  }
}

type Request = (typeof import("undici"))["request"];

async function exchange(
  request: Request,
  dispatcher: Dispatcher,
  { method, url, body }: WebhookRequest,
  { credentials, timeout }: HttpSettings,
  signal: AbortSignal,
) {
  signal.throwIfAborted();
  const limit = AbortSignal.timeout(timeout);
  const headers = {
    ...(body === "" ? {} : { "content-type": "application/json" }),
    accept: "application/json, */*",
    ...credentials.headersFor(body),
  };
  try {
    const response = await request(url, {
      method,
      dispatcher,
      headers,
      body: body === "" ? null : body,
      signal: AbortSignal.any([signal, limit]),
    });
    const { text, whole } = await beginningOf(response.body);
    return {
      status: response.statusCode,
      text,
      json: whole ? parseJson(text) : undefined,
      location: first(response.headers["location"]),
      retryAfter: secondsOf(first(response.headers["retry-after"])),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw Object.assign(new Error("no answer in time"), { code: "ETIMEDOUT" });
    throw error;
  }
}

/** True if the request may have reached the service: a time-out, or a connection that broke. */
export function mayHaveArrived(error: unknown): boolean {
  return lost.has(codeOf(error));
}

const lost = new Set([
  "ETIMEDOUT",
  "ECONNRESET",
  "EPIPE",
  "UND_ERR_SOCKET",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
]);

const unsent = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** Milliseconds from the seconds of Retry-After (RFC 9110 §10.2.3); dates are ignored. */
function secondsOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined;
}

function first(field: string | string[] | undefined): string | undefined {
  return Array.isArray(field) ? field[0] : field;
}
