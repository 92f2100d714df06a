/** The three calls of an acme-dns server's HTTP API. */
import { Problem, type Log } from "acmectl/plugin";
import { accountFrom, isRecord, type Account } from "./account.ts";

export interface Api {
  /** Rejects with a Problem when nothing answers there. */
  check(server: string, signal: AbortSignal): Promise<void>;
  register(server: string, allowlist: readonly string[], signal: AbortSignal): Promise<Account>;
  /** False when no answer came though the request was sent: whether the value is there, the DNS alone can tell. */
  update(server: string, account: Account, value: string, signal: AbortSignal): Promise<boolean>;
}

const longestAnswer = 65_536;

/** Nothing is asked twice: an update that is repeated throws the other value out. `timeout` in milliseconds. */
export function apiOf(timeout: number, log: Log): Api {
  const ask = (server: string, path: string, request: RequestInit, signal: AbortSignal) =>
    exchange(`${server.replace(/\/+$/, "")}/${path}`, request, timeout, signal);
  return {
    async check(server, signal) {
      if (isPlain(server))
        log.warn(
          `${server} is not https: whoever can listen on the way can take its accounts over`,
        );
      // Old servers do not know /health; an answer is an answer.
      await ask(server, "health", {}, signal);
    },
    async register(server, allowlist, signal) {
      const body = allowlist.length === 0 ? "" : JSON.stringify({ allowfrom: allowlist });
      const { status, json } = await ask(server, "register", { method: "POST", body }, signal);
      const account = status === 201 || status === 200 ? accountFrom(json) : undefined;
      if (account?.fulldomain === undefined) throw notRegistered(server, status, json, allowlist);
      return { ...account, server };
    },
    async update(server, account, value, signal) {
      const { username, password, subdomain } = account;
      const headers = {
        "x-api-user": username,
        "x-api-key": password,
        "content-type": "application/json",
      };
      const body = JSON.stringify({ subdomain, txt: value });
      try {
        const { status, json } = await ask(
          server,
          "update",
          { method: "POST", headers, body },
          signal,
        );
        if (status === 200 && isRecord(json) && json["txt"] === value) return true;
        throw notUpdated(server, account, status, json);
      } catch (error) {
        if (error instanceof NoAnswer && error.sent) return false;
        throw error;
      }
    },
  };
}

interface Answer {
  readonly status: number;
  /** Undefined when the body is no JSON. */
  readonly json: unknown;
}

/** The server could not be asked, or did not answer. */
class NoAnswer extends Problem {
  /** True when the request may have arrived. */
  readonly sent: boolean;

  constructor(url: string, error: unknown, timedOut: boolean) {
    const code = causeCode(error);
    super("network", {
      detail: `The acme-dns server at ${url} ${timedOut ? "did not answer in time" : `cannot be asked: ${code || reasonOf(error)}`}.`,
      hint: "Check the server's URL (option server, server_url in the account), that it runs, and that a firewall lets this machine through.",
      cause: error,
    });
    this.sent = timedOut || broken.has(code);
  }
}

/** Failures of a connection that stood: the request may have been done. After any other it was not. */
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
): Promise<Answer> {
  signal.throwIfAborted();
  const limit = AbortSignal.timeout(timeout);
  try {
    const response = await fetch(url, {
      ...request,
      redirect: "manual",
      signal: AbortSignal.any([signal, limit]),
    });
    const { status } = response;
    if (status >= 300 && status < 400) throw redirected(url, response.headers.get("location"));
    return { status, json: jsonOf(await textOf(response)) };
  } catch (error) {
    signal.throwIfAborted();
    throw Problem.is(error) ? error : new NoAnswer(url, error, limit.aborted);
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > longestAnswer) break;
    chunks.push(chunk);
  }
  return length > longestAnswer ? "" : Buffer.concat(chunks).toString("utf8");
}

function jsonOf(text: string): unknown {
  try {
    const json: unknown = JSON.parse(text);
    return json;
  } catch {
    return undefined;
  }
}

function redirected(url: string, location: string | null): Problem {
  return new Problem("config", {
    detail: `The acme-dns server at ${url} sends us to ${JSON.stringify((location ?? "").slice(0, 200))}; acmectl does not follow with an account's password.`,
    hint: "If that is the server, give its URL as the option server (server_url in the account).",
  });
}

function notRegistered(
  server: string,
  status: number,
  json: unknown,
  allowlist: readonly string[],
): Problem {
  const error = errorIn(json);
  if (error === "invalid_allowfrom_cidr") {
    return new Problem("config", {
      detail: `The acme-dns server at ${server} does not take the allowlist ${allowlist.join(", ")} (${error}).`,
      hint: "Write networks as ADDRESS/BITS, a single address as 192.0.2.1/32.",
    });
  }
  return new Problem("solver", {
    title: "No account on the acme-dns server",
    detail: `The acme-dns server at ${server} gave no account: ${said(status, json)}.`,
    hint:
      status === 404 || status === 405
        ? "Either that is not acme-dns' API, or the server does not let anybody register (disable_registration): then put an account that its operator made into the accounts (storage), or give it as username, password and subdomain."
        : "Look into the server's log.",
    retryable: status >= 500,
  });
}

function notUpdated(server: string, account: Account, status: number, json: unknown): Problem {
  const whose = `account ${account.username} (${account.fulldomain ?? account.subdomain})`;
  if (status === 401) {
    return new Problem("solver", {
      title: "acme-dns account refused",
      detail: `The acme-dns server at ${server} refuses ${whose}: ${said(status, json)}.`,
      hint: "It says no more, and means one of three: username or password are wrong, the subdomain belongs to another account, or this machine's address is not in the account's allowlist (allowfrom).",
      retryable: false,
    });
  }
  return new Problem("solver", {
    detail: `The acme-dns server at ${server} did not take the value for ${whose}: ${said(status, json)}.`,
    hint:
      status >= 500
        ? "Its database fails; look into its log."
        : "Check that the option server (server_url in the account) is the API of an acme-dns server.",
    retryable: status >= 500 || status === 429,
  });
}

function said(status: number, json: unknown): string {
  const error = errorIn(json);
  if (error !== undefined) return `${status} ${error}`;
  return `HTTP status ${status} ${json === undefined ? "and no JSON" : "and JSON that is not acme-dns'"}`;
}

function errorIn(json: unknown): string | undefined {
  const error = isRecord(json) ? json["error"] : undefined;
  return typeof error === "string" ? error.slice(0, 100) : undefined;
}

function isPlain(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  return protocol === "http:" && !/^(localhost|127\.|\[::1\])/.test(hostname);
}

function causeCode(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "";
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message : String(cause);
}
