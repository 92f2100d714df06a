/** Requests to one CA: nonces, concurrency, retries, and Problems for error answers. */
import type { Clock } from "../../clock.ts";
import { isRecord } from "../../json.ts";
import { createLimit, type Limit } from "../../limit.ts";
import type { Log } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { Directory, ExternalAccountBinding } from "../acme.ts";
import { readDirectory } from "../objects/directory.ts";
import { errorType, type Situation } from "../hints.ts";
import { type Outlet, sendSigned } from "./library.ts";
import { repeat } from "./repeat.ts";
import { refusal } from "../problems.ts";
import type { Signer } from "../signer.ts";
import type { Answer, Transport } from "./transport.ts";

interface Get {
  readonly url: string;
  /** For messages: `renewal information`. */
  readonly what: string;
  readonly signal: AbortSignal;
}
export interface Post extends Get {
  readonly key: Signer;
  /** The account URL; absent where the key itself is sent. */
  readonly kid: string | undefined;
  /** `null` is POST-as-GET. */
  readonly payload: object | null;
  readonly eab?: ExternalAccountBinding | undefined;
  /** True where doing it twice does no harm; only then is it repeated after a network failure. */
  readonly repeatable: boolean;
  readonly accept?: string | undefined;
}

/** What the requests of one CA share. Two CAs share nothing. */
interface Shared {
  readonly url: string;
  readonly flags: string;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Exchange extends Omit<Shared, "log"> {
  directory(signal: AbortSignal): Promise<Directory>;
  /** Begin to fetch the directory and a nonce. */
  prepare(signal: AbortSignal): void;
  get(request: Get): Promise<Answer>;
  post(request: Post): Promise<Answer>;
}

/** Requests under way at once. */
const concurrency = 8;

interface Running extends Shared {
  readonly nonces: NoncePool;
  readonly limit: Limit;
  directory: Directory | undefined;
  /** A nonce that is fetched before it is needed. */
  ahead: Promise<unknown>;
}

export function createExchange(shared: Shared): Exchange {
  const limit = createLimit(concurrency);
  const nonces = createNoncePool();
  const ahead = Promise.resolve();
  const running: Running = { ...shared, limit, nonces, directory: undefined, ahead };
  /** Kept until a caller has seen how it ended. */
  let asked: Promise<Directory> | undefined;

  async function directory(signal: AbortSignal): Promise<Directory> {
    if (running.directory !== undefined) return running.directory;
    const one = (asked ??= fetchDirectory(running, signal));
    return one.finally(() => {
      if (asked === one) asked = undefined;
    });
  }

  function prepare(signal: AbortSignal): void {
    if (running.directory !== undefined || asked !== undefined) return;
    asked = fetchDirectory(running, signal);
    const fetched = asked.then(({ newNonce }) => fetchNonce(running, newNonce, signal));
    running.ahead = fetched.catch(() => undefined);
  }

  return {
    ...shared,
    directory,
    prepare,
    get: (request) => get(running, request),
    async post(request) {
      const { newNonce } = await directory(request.signal);
      return post(running, newNonce, request);
    },
  };
}

async function fetchDirectory(running: Running, signal: AbortSignal): Promise<Directory> {
  const { url, transport } = running;
  const answer = await get(running, { url, what: "directory", signal });
  if (!isRecord(answer.body)) throw notJson(answer);
  running.directory = readDirectory(url, answer.body, transport);
  return running.directory;
}

function get(running: Running, request: Get): Promise<Answer> {
  const once = () => running.limit(() => plain(running, "GET", request), request.signal);
  return repeat(once, request.signal, running);
}

async function plain(
  { transport, nonces, directory, flags, clock }: Running,
  method: "GET" | "HEAD",
  { url, what, signal }: Get,
): Promise<Answer> {
  const answer = await transport.send({ method, url, signal });
  nonces.add(answer.headers["replay-nonce"]);
  if (answer.status >= 400) throw refusal(answer, { what, flags, directory }, clock.now());
  return answer;
}

async function post(running: Running, newNonce: string, request: Post): Promise<Answer> {
  const { signal } = request;
  const outlet: Outlet = {
    nonce: () => nonce(running, newNonce, signal),
    post: (url, body) => send(running, url, body, request),
  };
  // Nonce and request take one slot, else many requests would fetch many nonces at once.
  const once = () => running.limit(() => sendSigned(request, outlet), signal);
  const answer = await (request.repeatable ? repeat(once, signal, running) : once());
  if (answer.status < 400) return notPage(answer, request);
  throw refusal(answer, situation(running, request), running.clock.now());
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

async function nonce(running: Running, url: string, signal: AbortSignal): Promise<string> {
  await running.ahead;
  const unused = running.nonces.take();
  if (unused !== undefined) return unused;
  await fetchNonce(running, url, signal);
  const fresh = running.nonces.take();
  if (fresh !== undefined) return fresh;
  throw new Problem("protocol", {
    detail: `${url} sent no usable Replay-Nonce header.`,
    hint: "Check that the server URL is an ACME directory; if it is, report this to the CA.",
  });
}

function fetchNonce(running: Running, url: string, signal: AbortSignal): Promise<Answer> {
  const request = { url, what: "new nonce", signal };
  return repeat(() => plain(running, "HEAD", request), signal, running);
}

async function send(running: Running, url: string, body: string, request: Post): Promise<Answer> {
  const { signal, accept } = request;
  const answer = await running.transport.send({ method: "POST", url, body, signal, accept });
  if (isBadNonce(answer)) return withoutBrokenNonce(answer);
  running.nonces.add(answer.headers["replay-nonce"]);
  if (answer.status < 400) return answer;
  throw refusal(answer, situation(running, request), running.clock.now());
}

function situation({ directory, flags }: Running, { what, kid }: Post): Situation {
  return { what, flags, directory, accountUrl: kid };
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

/** Unused anti-replay nonces of one CA (RFC 8555 §6.5): the newest is taken first, the oldest is dropped first. */
interface NoncePool {
  /** Anything that is not base64url is ignored, as RFC 8555 §6.5.1 demands. */
  add(nonce: string | undefined): void;
  take(): string | undefined;
}

/** An empty pool for up to `capacity` nonces. */
export function createNoncePool(capacity = 64): NoncePool {
  const unused: string[] = [];
  return {
    add(nonce) {
      if (!isNonce(nonce)) return;
      unused.push(nonce);
      if (unused.length > capacity) unused.shift();
    },
    take: () => unused.pop(),
  };
}

function isNonce(text: string | undefined): text is string {
  return text !== undefined && text.length <= 1024 && /^[A-Za-z0-9_-]+$/.test(text);
}
