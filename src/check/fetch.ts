/** A GET as a CA's validation server does it: redirects to ports 80 and 443 are followed, certificates are not verified. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { isIP } from "node:net";
import { codeOf, messageOf } from "../errors.ts";

/** How one address answered. */
export type Sight =
  | { readonly kind: "answer"; readonly status: number; readonly body: string; readonly by: string }
  /** Something that a CA does not accept. */
  | { readonly kind: "refused"; readonly text: string; readonly remedy: string }
  /** `hasRoute` is false if this machine could not even try, e.g. without IPv6. */
  | { readonly kind: "unreachable"; readonly text: string; readonly hasRoute: boolean };

export interface FetchTools {
  /** The addresses of a host that a redirect names. */
  readonly addresses: (host: string) => Promise<readonly string[]>;
  /** Where the ports 80 and 443 are; other ones in tests. */
  readonly ports: { readonly http: number; readonly https: number };
  readonly signal: AbortSignal;
}

/** As many as Let's Encrypt follows. */
const mostRedirects = 10;
const timeout = 10_000;
const longestBody = 4096;

/** Ask `address` for the URL, and follow. Redirects to the same host stay at the address. */
export async function fetchAt(address: string, start: URL, tools: FetchTools): Promise<Sight> {
  let url = start;
  let hops = 0;
  for (;;) {
    try {
      const host = url.hostname === start.hostname ? address : await addressOf(url, tools);
      if (host === undefined) return refused(`a redirect to ${url.host}, which has no address`);
      const answer = await get(host, url, tools);
      if (answer.location === undefined) return { kind: "answer", ...answer };
      const next = URL.parse(answer.location, url.href);
      const fault = next === null ? "a redirect without a usable target" : faultOf(next);
      if (next === null || fault !== undefined) return refused(fault ?? "");
      if (++hops > mostRedirects) return refused(`more than ${mostRedirects} redirects`);
      url = next;
    } catch (error) {
      tools.signal.throwIfAborted();
      return failed(error, url, start);
    }
  }
}

function refused(text: string): Sight {
  const remedy =
    "Serve /.well-known/acme-challenge/ without a redirect, or redirect it once, to port 80 or 443 of a host with a public name.";
  return { kind: "refused", text, remedy };
}

/** What public CAs do not follow. */
function faultOf(url: URL): string | undefined {
  if (!["http:", "https:"].includes(url.protocol))
    return `a redirect to ${url.protocol}, which CAs do not follow`;
  const port = url.port || (url.protocol === "http:" ? "80" : "443");
  if (port !== "80" && port !== "443")
    return `a redirect to port ${port}; CAs follow redirects to the ports 80 and 443 only`;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(host) === 0 ? undefined : `a redirect to the address ${host}; CAs follow names only`;
}

function failed(error: unknown, url: URL, start: URL): Sight {
  const code = codeOf(error);
  const why = words[code] ?? (code === "" ? messageOf(error) : code);
  const text = `${why}${url.href === start.href ? "" : ` (after a redirect to ${url.origin})`}`;
  if (/^ERR_SSL|^EPROTO/.test(code)) {
    const remedy = `Fix TLS at ${url.host}, or serve the response without a redirect to https.`;
    return { kind: "refused", text: `no TLS at ${url.origin} (${text})`, remedy };
  }
  const hasRoute = !["ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(code);
  return { kind: "unreachable", text, hasRoute };
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection closed without an answer",
  ETIMEDOUT: "timeout",
  ENETUNREACH: "no route from this machine",
};

/** IPv6 first, as CAs do. */
async function addressOf(url: URL, { addresses }: FetchTools): Promise<string | undefined> {
  const all = await addresses(url.hostname);
  return all.find((one) => isIP(one) === 6) ?? all[0];
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly by: string;
  readonly location: string | undefined;
}

async function get(host: string, url: URL, { ports, signal }: FetchTools): Promise<Answer> {
  const isTls = url.protocol === "https:" || url.port === "443";
  const options: RequestOptions & { rejectUnauthorized: boolean; servername: string } = {
    host,
    port: isTls ? ports.https : ports.http,
    path: url.pathname + url.search,
    headers: { host: url.host, "user-agent": "acmectl check", connection: "close" },
    agent: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
    // RFC 8555 §8.3 wants http; what a redirect leads to need not have a certificate yet.
    rejectUnauthorized: false,
    servername: isIP(url.hostname) === 0 ? url.hostname : "",
  };
  const ask = isTls ? (await import("node:https")).request : httpRequest;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = ask(options, resolve);
  request.on("error", reject);
  request.end();
  const response = await promise;
  const status = response.statusCode ?? 0;
  const isRedirect = [301, 302, 303, 307, 308].includes(status);
  const location = isRedirect ? (response.headers.location ?? "") : undefined;
  const by = String(response.headers["server"] ?? "")
    .replaceAll(/[^\x20-\x7e]/g, "")
    .slice(0, 60);
  return { status, by, location, body: await readBody(response) };
}

/** Compared and thrown away, never shown: what answers here may be something internal. */
async function readBody(response: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of response.setEncoding("latin1")) {
    body += String(chunk);
    if (body.length > longestBody) return "";
  }
  return body;
}
