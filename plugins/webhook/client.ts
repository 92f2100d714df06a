/** One request and its response, limited in size and time; retried only if that is harmless. */
import { setTimeout as sleep } from "node:timers/promises";
import { rootCertificates } from "node:tls";
import type { Dispatcher } from "undici";
import { Problem, type Log } from "acmectl/plugin";
import { beginningOf, codeOf, parseJson } from "acmectl/plugin/http";
import type { Credentials } from "./credentials.ts";
import type { Answer, WebhookRequest } from "./styles.ts";

export interface HttpSettings {
  readonly credentials: Credentials;
  /** Milliseconds for one answer. */
  readonly timeout: number;
  readonly retries: number;
  /** With HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

export interface Http {
  /** Rejects with the network error if there is no response. */
  send(request: WebhookRequest, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}

const mostRedirects = 3;
/** Milliseconds before the first retry, and at most before any. */
const [firstPause, longestPause] = [500, 30_000];

/** Opens no connection yet. */
export async function openHttp(settings: HttpSettings): Promise<Http> {
  const { EnvHttpProxyAgent, request } = await import("undici");
  const { ca, ...own } = settings.credentials.tls;
  const tls = { ...own, ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) };
  // Shorter than the limit of a request, so that a connection that failed is never taken for a lost response.
  const connecting = { ...tls, timeout: Math.min(10_000, settings.timeout / 2) };
  const dispatcher = new EnvHttpProxyAgent({
    connect: connecting,
    requestTls: connecting,
    // An empty text, not undefined: else undici reads the variables itself.
    httpProxy: proxyFrom(["http_proxy", "HTTP_PROXY"], settings.env) ?? "",
    httpsProxy: proxyFrom(["https_proxy", "HTTPS_PROXY"], settings.env) ?? "",
  });
  const once = (webhookRequest: WebhookRequest, signal: AbortSignal) =>
    exchange(request, dispatcher, webhookRequest, settings, signal);
  let closing: Promise<void> | undefined;
  return {
    send: (request, signal) => retried(() => redirected(once, request, signal), settings, signal),
    close: () => (closing ??= dispatcher.close()),
  };
}

/** The URL of the proxy, with a scheme, and user name and password encoded where they are not. */
function proxyFrom(names: readonly string[], env: HttpSettings["env"]): string | undefined {
  const name = names.find((name) => env[name]?.trim());
  if (name === undefined) return undefined;
  const [, scheme = "http", user = "", host = ""] =
    /^(?:(\w+):\/\/)?(?:(.*)@)?([^@]*)$/s.exec(env[name]?.trim() ?? "") ?? [];
  const encoded = user.replaceAll(/%(?![\da-f]{2})|[^\w.~!$&'()*+,;=:%-]/gi, encodeURIComponent);
  const url = `${scheme}://${encoded}${user === "" ? "" : "@"}${host}`;
  if (/^https?:/i.test(scheme + ":") && URL.canParse(url)) return url;
  throw new Problem("config", {
    detail: `${name} is not the URL of an HTTP proxy.`,
    hint: `Set it to a URL such as http://proxy.example.com:3128, or unset ${name}.`,
  });
}

/** Retries failed connections, 429 and 5xx: the service did nothing, or reports a failure. */
async function retried(
  attempt: () => Promise<Answer & { readonly retryAfter: number | undefined }>,
  { retries, log }: HttpSettings,
  signal: AbortSignal,
): Promise<Answer> {
  for (
    let left = retries, pause = firstPause;
    ;
    left--, pause = Math.min(pause * 2, longestPause)
  ) {
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
