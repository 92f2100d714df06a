/** Answers validation requests: the exact path under the exact name, and nothing else. */
import { createServer } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, Server } from "node:http";
import type { Log } from "../plugin.ts";
import { patience } from "./server.ts";

/** Where the name may stand: in Host itself, or in what a reverse proxy adds. */
export const hostSources = ["none", "X-Forwarded-Host", "Forwarded"] as const;
export type HostSource = (typeof hostSources)[number];

/** The responses of one solver. */
export interface Responses {
  /** By `<host> <path>`. */
  readonly bodies: ReadonlyMap<string, string>;
  readonly hostSource: HostSource;
  readonly log: Log;
}

export function createAnswering(users: ReadonlySet<Responses>): Server {
  const limits = {
    headersTimeout: patience,
    requestTimeout: patience,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 8_192,
    requireHostHeader: true,
  };
  return createServer(limits, answer(users));
}

/** Answers with the response of the first solver that has one; 404 to everything else. */
function answer(users: ReadonlySet<Responses>): RequestListener {
  return (request, response) => {
    const asked = request.method === "GET" || request.method === "HEAD";
    const body = asked ? bodyFor(request, users) : undefined;
    response.writeHead(body === undefined ? 404 : 200, {
      "Content-Type": "text/plain",
      "Content-Length": Buffer.byteLength(body ?? ""),
      "Cache-Control": "no-store",
      Connection: "close",
    });
    response.end(request.method === "HEAD" ? undefined : body);
  };
}

function bodyFor(request: IncomingMessage, users: ReadonlySet<Responses>): string | undefined {
  const { headers, socket, url = "" } = request;
  const from = socket.remoteAddress ?? "a unix socket";
  // Name and path come from the network: log them short and escaped.
  const path = JSON.stringify(url.slice(0, 120)).slice(1, -1);
  for (const { bodies, hostSource, log } of users) {
    const host = requestedHost(headers, hostSource);
    const body = bodies.get(`${host} ${url}`);
    const fields = { from, host: host ?? "none", path };
    if (body === undefined)
      log.debug("refused a request that is for no challenge of this run", fields);
    else log.debug(`answered a validation request for ${host}`, fields);
    if (body !== undefined) return body;
  }
  return undefined;
}

/** The requested name, in its canonical form; undefined if it is missing or not a host name. */
export function requestedHost(
  headers: IncomingHttpHeaders,
  source: HostSource,
): string | undefined {
  if (source === "X-Forwarded-Host") return hostOf(firstOf(headers["x-forwarded-host"]));
  return hostOf(source === "none" ? headers.host : hostParameter(firstOf(headers.forwarded)));
}

/** `host[:port]` without the port: names in lower case without a trailing dot, IPv6 addresses as RFC 5952 writes them. */
export function hostOf(text: string | undefined): string | undefined {
  const match = /^(?:(\[[0-9a-f:.]{2,45}\])|([a-z0-9._-]{1,254}))(?::\d{1,5})?$/i.exec(text ?? "");
  if (match === null) return undefined;
  const [, address, name] = match;
  if (address !== undefined) return URL.parse(`http://${address}`)?.hostname;
  return name?.toLowerCase().replace(/\.$/, "");
}

/** Each proxy appends what it saw: the first element is the one nearest to the client. */
function firstOf(value: string | readonly string[] | undefined): string | undefined {
  const text = typeof value === "string" ? value : value?.[0];
  return text?.split(",", 1)[0]?.trim();
}

/** RFC 7239 §5.3: `for=192.0.2.1;host="example.com:80";proto=http` */
function hostParameter(element: string | undefined): string | undefined {
  for (const pair of element?.split(";") ?? []) {
    const match = /^\s*host\s*=\s*(?:"([^"]*)"|([^"\s]*))\s*$/i.exec(pair);
    if (match !== null) return match[1] ?? match[2];
  }
  return undefined;
}
