/**
 * One HTTP exchange with the CA: https only, hosts pinned, TLS always verified, no redirects, bounded in time and
 * size. JWS and ACME are above it.
 */
import type { Clock } from "../../clock.ts";
import { largestSkew, skewText } from "../../skew.ts";
import type { Log } from "../../plugin.ts";
import { parseJson } from "../../json.ts";
import { Problem } from "../../problem.ts";
import { type Connections, type Dialing, openConnections } from "./connections.ts";
import type { Received } from "./http2.ts";
import { type Headers, serverTime } from "./headers.ts";
import { isBug, networkProblem } from "./network.ts";
import { openPace } from "./pace.ts";
import type { RateLimit } from "../presets.ts";
import { printable } from "../text.ts";

/** `body` is the parsed JSON of the answer, `undefined` if it is not JSON; `text` is always the body as it came. */
export interface Answer {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
  readonly text: string;
}

export interface Request {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: string;
  readonly body?: string | undefined;
  readonly accept?: string | undefined;
  readonly signal: AbortSignal;
}

export interface TransportOptions extends Dialing {
  /** `acmectl/x.y.z (+url) node/v…`, sent with every request. */
  readonly userAgent: string;
  readonly log: Log;
  /** Masks secrets in what the CA says, before it is cut to a length. */
  readonly redact: (text: string) => string;
  readonly clock: Clock;
  /** How many requests may be sent in which time; any number when absent. */
  readonly pace?: RateLimit | undefined;
}

export interface Transport {
  /** Rejects with `network` and `protocol` Problems, or with the signal's reason; any status but a redirect is an answer. */
  send(request: Request): Promise<Answer>;
  /** True for an https URL of a pinned host. */
  allows(url: string): boolean;
  /** Pin the host of this URL as well. */
  pin(url: string): void;
  readonly redact: TransportOptions["redact"];
  readonly clockSkew: number;
  close(): Promise<void>;
}

/** A transport that talks to the host of `url` only, until more are pinned. */
export function createTransport(url: string, options: TransportOptions): Transport {
  const hosts = new Set([new URL(url).host]);
  let clockSkew = 0;
  let warned = false;
  const connections = openConnections(options);
  const itsTurn = openPace(options.pace, options.clock);
  const allows = (url: string) => {
    const parsed = URL.parse(url);
    return parsed?.protocol === "https:" && hosts.has(parsed.host);
  };
  return {
    allows,
    redact: options.redact,
    pin: (url) => void hosts.add(new URL(url).host),
    get clockSkew() {
      return clockSkew;
    },
    async send(request) {
      if (!allows(request.url)) throw foreign(options.redact(request.url), [...hosts]);
      await itsTurn(request.signal);
      const started = performance.now();
      const { method, url: asked } = request;
      const logged = (status: number, outcome: string) => {
        const milliseconds = Math.round(performance.now() - started);
        const fields = { request: { method, url: asked, status, milliseconds } };
        options.log.debug(`${method} ${asked} ${outcome}`, fields);
      };
      const answer = await exchange(request, connections, options).catch((error: unknown) => {
        logged(0, "failed without an answer");
        throw error;
      });
      const now = options.clock.now();
      clockSkew = serverTime(answer.headers, now).getTime() - now.getTime();
      if (!warned && Math.abs(clockSkew) > largestSkew) {
        warned = true;
        options.log.warn(`${skewText(clockSkew, url)}; check its time synchronization`);
      }
      logged(answer.status, String(answer.status));
      return accepted(answer, url, options.redact);
    },
    close: () => connections.close(),
  };
}

async function exchange(
  request: Request,
  connections: Connections,
  options: TransportOptions,
): Promise<Answer> {
  const { limits } = options;
  request.signal.throwIfAborted();
  const deadline = AbortSignal.timeout(limits.total);
  const { url, method, body } = request;
  const sent = {
    url,
    method,
    body,
    headers: headersOf(request, options.userAgent),
    signal: AbortSignal.any([request.signal, deadline]),
    patience: method === "POST" ? limits.total : limits.idle,
  };
  try {
    return await connections.exchange(sent, async (received) => {
      const text = await readBody(received.body, limits.body, url);
      const headers = joined(received.headers);
      const { status } = received;
      const shown = status >= 400 ? options.redact(text) : text;
      return { url, status, headers, text: shown, body: json(shown, headers, status) };
    });
  } catch (error) {
    request.signal.throwIfAborted();
    if (Problem.is(error) || isBug(error)) throw error;
    throw networkProblem(error, { request, limits, dialing: options, overdue: deadline.aborted });
  }
}

function headersOf(request: Request, userAgent: string): Record<string, string> {
  return {
    "user-agent": userAgent,
    accept: request.accept ?? "application/json, application/problem+json",
    "accept-language": "en",
    "accept-encoding": "identity",
    ...(request.body === undefined ? {} : { "content-type": "application/jose+json" }),
  };
}

async function readBody(body: Received["body"], limit: number, url: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) continue;
    size += chunk.length;
    if (size > limit) {
      throw new Problem("protocol", {
        detail: `${url} answered with more than ${limit} bytes; ACME answers are shorter.`,
        hint: "Check that the server URL is an ACME directory.",
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function joined(headers: Received["headers"]): Headers {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return result;
}

/** Some CAs label their problem documents wrongly, so the body of an error is parsed whatever its content type. */
function json(text: string, headers: Headers, status: number): unknown {
  const labelled = /^application\/([a-z.-]+\+)?json\b/i.test(headers["content-type"] ?? "");
  return labelled || status >= 400 ? parseJson(text) : undefined;
}

function accepted(answer: Answer, directory: string, redact: TransportOptions["redact"]): Answer {
  const { url } = answer;
  const encoding = answer.headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw new Problem("protocol", {
      detail: `${url} answered in the encoding "${printable(redact(encoding), 40)}", which was not requested.`,
      hint: "Check that the server URL is an ACME directory, and look for a proxy between this host and the CA.",
    });
  }
  if (answer.status >= 300 && answer.status < 400)
    throw redirect(answer, url === directory, redact);
  return answer;
}

/** Another --server helps only if the directory itself has moved. */
function redirect(
  { url, status, headers }: Answer,
  isDirectory: boolean,
  redact: TransportOptions["redact"],
): Problem {
  const found = headers["location"] && URL.parse(headers["location"], url)?.href;
  const target = found && printable(redact(found), 500);
  return new Problem("protocol", {
    detail: target
      ? `${url} redirects to ${target}; acmectl does not follow redirects: a signed request must not go to another server.`
      : `${url} answered ${status}, a redirect without a target.`,
    hint: !isDirectory
      ? "Look for a proxy between this host and the CA, and report it to the CA. Another --server does not help."
      : target?.startsWith("https://")
        ? `Use that address if you trust it: --server ${target}`
        : "Ask the CA for the https URL of its ACME directory.",
    status,
  });
}

function foreign(url: string, hosts: readonly string[]): Problem {
  return new Problem("protocol", {
    detail: `The CA points to ${printable(url, 200)}, which is not an https URL on ${hosts.join(" or ")}.`,
    hint: "Report this to the CA: acmectl talks only to the hosts in the directory.",
  });
}
