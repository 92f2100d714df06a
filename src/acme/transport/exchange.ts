/** Requests to one CA: nonces, concurrency, retries, and Problems for error answers. */
import type { Clock } from "../../clock.ts";
import { isRecord } from "../../json.ts";
import { createLimit, type Limit } from "../../limit.ts";
import type { Log } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { Directory, ExternalAccountBinding } from "../acme.ts";
import { readDirectory } from "../objects/directory.ts";
import type { Situation } from "../hints.ts";
import { type Outlet, sendSigned } from "./library.ts";
import { repeat } from "./repeat.ts";
import { createNoncePool, isNonce, type NoncePool } from "./nonces.ts";
import { errorType, refusal } from "../problems.ts";
import type { Answer, Transport } from "./transport.ts";

interface Get {
  readonly url: string;
  /** For messages: `renewal information`. */
  readonly what: string;
  readonly signal: AbortSignal;
}
interface Post extends Get {
  readonly key: string;
  /** The account URL; absent where the key itself is sent. */
  readonly kid: string | undefined;
  /** `null` is POST-as-GET. */
  readonly payload: object | null;
  readonly eab?: ExternalAccountBinding | undefined;
  /** True where doing it twice does no harm; only then is it repeated after a network failure. */
  readonly repeatable: boolean;
  readonly accept?: string | undefined;
}

export interface Exchange {
  readonly transport: Transport;
  readonly clock: Clock;
  directory(signal: AbortSignal): Promise<Directory>;
  get(request: Get): Promise<Answer>;
  post(request: Post): Promise<Answer>;
}

/** What the requests of one CA share. */
interface Shared {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  readonly nonces: NoncePool;
  readonly limit: Limit;
  directory: Directory | undefined;
}

/** The requests of one CA. Two CAs share nothing. */
export function createExchange(
  directoryUrl: string,
  options: { transport: Transport; clock: Clock; log: Log; concurrency: number },
): Exchange {
  const { transport, clock, concurrency } = options;
  const limit = createLimit(concurrency);
  const shared: Shared = { ...options, limit, nonces: createNoncePool(), directory: undefined };
  let asked: Promise<Directory> | undefined;

  async function directory(signal: AbortSignal): Promise<Directory> {
    if (shared.directory !== undefined) return shared.directory;
    asked ??= fetchDirectory(shared, directoryUrl, signal).finally(() => (asked = undefined));
    return asked;
  }

  return {
    transport,
    clock,
    directory,
    get: (request) => get(shared, request),
    async post(request) {
      const { newNonce } = await directory(request.signal);
      return post(shared, newNonce, request);
    },
  };
}

async function fetchDirectory(
  shared: Shared,
  url: string,
  signal: AbortSignal,
): Promise<Directory> {
  const answer = await get(shared, { url, what: "directory", signal });
  if (!isRecord(answer.body)) throw notJson(answer);
  shared.directory = readDirectory(url, answer.body, (url) => shared.transport.pin(url));
  return shared.directory;
}

function get(shared: Shared, request: Get): Promise<Answer> {
  const once = () => shared.limit(() => plain(shared, "GET", request), request.signal);
  return repeat(once, request.signal, shared);
}

async function plain(
  { transport, nonces, directory, clock }: Shared,
  method: "GET" | "HEAD",
  { url, what, signal }: Get,
): Promise<Answer> {
  const answer = await transport.send({ method, url, signal });
  nonces.add(answer.headers["replay-nonce"]);
  if (answer.status >= 400) throw refusal(answer, { what, directory }, clock.now());
  return answer;
}

async function post(shared: Shared, newNonce: string, request: Post): Promise<Answer> {
  const { signal } = request;
  const outlet: Outlet = {
    nonce: () => nonce(shared, newNonce, signal),
    post: (url, body) => send(shared, url, body, request),
  };
  // Nonce and request take one slot, else many requests would fetch many nonces at once.
  const once = () => shared.limit(() => sendSigned(request, outlet), signal);
  const answer = await (request.repeatable ? repeat(once, signal, shared) : once());
  if (answer.status < 400) return notPage(answer, request);
  throw refusal(answer, situation(shared, request), shared.clock.now());
}

/** A proxy or a captive portal answers with a page and status 200: the CA has never seen the request. */
function notPage(answer: Answer, { what }: Post): Answer {
  if (!/^\s*</.test(answer.text)) return answer;
  throw new Problem("protocol", {
    detail: `${answer.url} answered the ${what} with ${answer.status} and a web page, so the CA may not have received it.`,
    hint: "Look for a proxy or a captive portal between this machine and the CA, then run the command again.",
    status: answer.status,
  });
}

async function nonce(shared: Shared, url: string, signal: AbortSignal): Promise<string> {
  const held = shared.nonces.take();
  if (held !== undefined) return held;
  const request = { url, what: "new nonce", signal };
  await repeat(() => plain(shared, "HEAD", request), signal, shared);
  const fresh = shared.nonces.take();
  if (fresh !== undefined) return fresh;
  throw new Problem("protocol", {
    detail: `${url} sent no usable Replay-Nonce header.`,
    hint: "Check that the server URL is an ACME directory; if it is, report this to the CA.",
  });
}

async function send(shared: Shared, url: string, body: string, request: Post): Promise<Answer> {
  const { signal, accept } = request;
  const answer = await shared.transport.send({ method: "POST", url, body, signal, accept });
  if (isBadNonce(answer)) return withoutBrokenNonce(answer);
  shared.nonces.add(answer.headers["replay-nonce"]);
  if (answer.status < 400) return answer;
  throw refusal(answer, situation(shared, request), shared.clock.now());
}

function situation({ directory }: Shared, { what, kid }: Post): Situation {
  return { what, directory, accountUrl: kid };
}

/** The library retries with the nonce of this answer (RFC 8555 §6.5), so it stays out of the pool. */
function isBadNonce({ status, body }: Answer): boolean {
  return status === 400 && isRecord(body) && body["type"] === errorType("badNonce");
}

function withoutBrokenNonce(answer: Answer): Answer {
  if (isNonce(answer.headers["replay-nonce"])) return answer;
  const { "replay-nonce": _broken, ...headers } = answer.headers;
  return { ...answer, headers };
}

function notJson(answer: Answer): Problem {
  const type = answer.headers["content-type"]?.split(";")[0] ?? "no content type";
  return new Problem("protocol", {
    detail: `${answer.url} answered ${answer.status} with ${/^[\w./+-]{1,60}$/.test(type) ? type : "an unreadable content type"}, not with an ACME directory in JSON.`,
    hint: "Check the server URL. It must be that of the directory, e.g. https://acme-v02.api.letsencrypt.org/directory",
    status: answer.status,
  });
}
