/** http-01 by the answers in the state, behind a reverse proxy or on port 80 itself. */
import { createServer, type Server } from "node:http";
import type { Log } from "../plugin.ts";
import { messageOf } from "../errors.ts";
import { patience } from "../plugin/server.ts";
import type { KnownAnswers } from "./answers.ts";

const limits = {
  headersTimeout: patience,
  requestTimeout: patience,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8_192,
};

/** RFC 8555 §8.3. The token alone is compared: it is secret until it is asked for, and proxies may change Host. */
const path = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{1,512})$/;

export function httpResponder(answers: KnownAnswers, log: Log): Server {
  return createServer(limits, (request, response) => {
    const end = (status: number, body: string) => {
      response.writeHead(status, {
        "Content-Type": "text/plain",
        "Content-Length": Buffer.byteLength(body),
        "Cache-Control": "no-store",
      });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    const { method, url = "" } = request;
    const token = method === "GET" || method === "HEAD" ? path.exec(url)?.[1] : undefined;
    if (token === undefined) return end(404, "");
    answers
      .find((one) => one.type === "http-01" && one.token === token)
      .then((answer) => {
        if (answer === undefined) return end(404, "");
        log.info(`answered a validation request for ${answer.host}`, { step: "respond" });
        return end(200, answer.content);
      })
      .catch((error: unknown) => {
        log.warn(`could not look up a token: ${messageOf(error)}`, { step: "respond" });
        end(503, "");
      });
  });
}
