/** Answers the exact path under the exact name, and tells nothing to anybody else. */
import type { IncomingMessage, RequestListener } from "node:http";
import type { Log } from "acmectl/plugin";
import { requestedHost, type HostSource } from "./host.ts";

/** A listener for `responses`, whose keys are `<host> <path>` and whose values are the bodies. */
export function responder(
  responses: ReadonlyMap<string, string>,
  source: HostSource,
  log: Log,
): RequestListener {
  return (request, response) => {
    const host = requestedHost(request.headers, source);
    const asked = request.method === "GET" || request.method === "HEAD";
    const body = asked ? responses.get(`${host} ${request.url}`) : undefined;
    tell(log, request, host, body !== undefined);
    response.writeHead(body === undefined ? 404 : 200, {
      "Content-Type": "text/plain",
      "Content-Length": Buffer.byteLength(body ?? ""),
      "Cache-Control": "no-store",
      Connection: "close",
    });
    response.end(request.method === "HEAD" ? undefined : body);
  };
}

function tell(
  log: Log,
  { socket, url = "" }: IncomingMessage,
  host: string | undefined,
  answered: boolean,
): void {
  // A name or path that is not ours is whatever the network sent: it is told short and escaped.
  const fields = {
    from: socket.remoteAddress ?? "a unix socket",
    host: host ?? "none that can be read",
    path: JSON.stringify(url.slice(0, 120)).slice(1, -1),
  };
  if (answered) log.debug(`answered a validation request for ${host}`, fields);
  else log.debug("refused a request that no challenge expects", fields);
}
