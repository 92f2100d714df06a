/** The three calls of the acme-dns HTTP API. */
import { Problem, type Log } from "acmectl/plugin";
import { beginningOf, codeOf, fetchByProxy, isRecord, parseJson } from "acmectl/plugin/http";
import { accountFrom, type Account } from "./accounts.ts";
import { notRegistered, notUpdated, redirected, unreachable, type ApiResponse } from "./errors.ts";

export type Api = ReturnType<typeof apiOf>;

/**
 * Every call rejects with a Problem if no response comes. No request is retried: a repeated update would push out the other
 * value. `timeout` in milliseconds.
 */
export function apiOf(timeout: number, log: Log) {
  const ask = (server: string, path: string, request: RequestInit, signal: AbortSignal) =>
    exchange(`${server.replace(/\/+$/, "")}/${path}`, request, timeout, signal);
  return {
    async check(server: string, signal: AbortSignal) {
      if (isPlain(server))
        log.warn(`${server} is not https: others on the network can take over its accounts`);
      // Old servers do not have /health; any response is enough.
      await ask(server, "health", {}, signal);
    },
    async register(server: string, allowlist: readonly string[], signal: AbortSignal) {
      const body = allowlist.length === 0 ? "" : JSON.stringify({ allowfrom: allowlist });
      const response = await ask(server, "register", { method: "POST", body }, signal);
      const done = response.status === 201 || response.status === 200;
      const account = done ? accountFrom(response.json) : undefined;
      if (account?.fulldomain === undefined) throw notRegistered(server, response, allowlist);
      return { ...account, server };
    },
    /** False if the request was sent but not answered: then only the DNS shows whether the value was set. */
    async update(server: string, account: Account, value: string, signal: AbortSignal) {
      const { username, password, subdomain } = account;
      const credentials = { "x-api-user": username, "x-api-key": password };
      const headers = { ...credentials, "content-type": "application/json" };
      const body = JSON.stringify({ subdomain, txt: value });
      const request = { method: "POST", headers, body };
      try {
        const response = await ask(server, "update", request, signal);
        const { status, json } = response;
        if (status === 200 && isRecord(json) && json["txt"] === value) return true;
        const name = `account ${username} (${account.fulldomain ?? subdomain})`;
        throw notUpdated(server, name, response);
      } catch (error) {
        if (Problem.is(error) && mayHaveArrived(error.cause)) return false;
        throw error;
      }
    },
  };
}

/** True for time-outs and broken connections; after any other error the request was not sent. */
function mayHaveArrived(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  return cause.name === "TimeoutError" || broken.has(codeOf(cause.cause));
}

const broken = new Set([
  "ECONNRESET",
  "EPIPE",
  "UND_ERR_SOCKET",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
]);

async function exchange(
  url: string,
  request: RequestInit,
  timeout: number,
  signal: AbortSignal,
): Promise<ApiResponse> {
  signal.throwIfAborted();
  try {
    const response = await fetchByProxy(url, {
      ...request,
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
    });
    const { status } = response;
    if (status >= 300 && status < 400) throw redirected(url, response.headers.get("location"));
    const { text, whole } = await beginningOf(response.body);
    return { status, json: whole ? parseJson(text) : undefined };
  } catch (error) {
    signal.throwIfAborted();
    throw Problem.is(error) ? error : unreachable(url, error);
  }
}

function isPlain(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  return protocol === "http:" && !/^(localhost|127\.|\[::1\])/.test(hostname);
}
