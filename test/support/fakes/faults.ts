/** A script of bad days for a fake: each fault befalls the next requests that it fits. */
import type { ServerResponse } from "node:http";

export interface Fault {
  /** The operation it befalls; every one when absent. */
  readonly action?: string;
  /** How many requests; 1 when absent. */
  readonly times?: number;
  readonly kind:
    | { readonly status: number; readonly body: string; readonly headers?: Record<string, string> }
    /** The connection ends: before the work, or after it was done. */
    | "drop before"
    | "drop after"
    /** No answer until the fake closes. */
    | "hang"
    /** HTTP 200 and the page of a captive portal. */
    | "garbage"
    /** HTTP 200 and 200 MB of JSON. */
    | "flood"
    /** HTTP 200 and the beginning of an answer in JSON or XML. */
    | "cut"
    /** The work is done, and two answers come that say that nothing is there. */
    | "twice";
}

export interface Faults {
  add(fault: Fault): void;
  /** The fault for this request, used up by one. */
  take(action: string): Fault | undefined;
  clear(): void;
}

export function faultScript(): Faults {
  let waiting: { fault: Fault; left: number }[] = [];
  return {
    add(fault) {
      waiting.push({ fault, left: fault.times ?? 1 });
    },
    take(action) {
      const found = waiting.find(({ fault }) => (fault.action ?? action) === action);
      if (found === undefined) return undefined;
      found.left -= 1;
      waiting = waiting.filter(({ left }) => left > 0);
      return found.fault;
    },
    clear() {
      waiting = [];
    },
  };
}

/** Plays a fault out; `work` is what the request would have done. */
export function befall(fault: Fault, response: ServerResponse, work: () => unknown): void {
  const { kind } = fault;
  if (kind === "hang") return;
  if (kind === "flood") return flood(response);
  if (kind === "twice") return answerTwice(response, work);
  if (kind === "drop after") work();
  if (kind === "drop before" || kind === "drop after") {
    response.destroy();
  } else if (kind === "cut") {
    response.writeHead(200, { "content-type": "application/json" }).end('{"items":[{"id":"7","na');
  } else if (kind === "garbage") {
    response.writeHead(200, { "content-type": "text/html" });
    response.end("<!doctype html><html><title>Please sign in</title><p>Wi-Fi & coffee</html>");
  } else {
    response.writeHead(kind.status, kind.headers);
    response.end(kind.body);
  }
}

/** Bytes that all floods have sent: a client that stops reading stops them. */
export const floods = { sent: 0 };

const floodSize = 200 * 2 ** 20;

function flood(response: ServerResponse): void {
  const piece = Buffer.alloc(2 ** 16, "x");
  let sent = 0;
  response.writeHead(200, { "content-type": "application/json" }).write('{"items":["');
  const go = () => {
    while (sent < floodSize && !response.destroyed) {
      sent += piece.length;
      floods.sent += piece.length;
      if (response.write(piece)) continue;
      response.once("drain", go);
      return;
    }
    response.end('"]}');
  };
  go();
}

function answerTwice(response: ServerResponse, work: () => unknown): void {
  work();
  const body = "{}";
  const answer = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  response.socket?.write(answer + answer);
}
