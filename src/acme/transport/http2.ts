/**
 * HTTP/2 by Node.js itself. undici's is not used: when a server ends a connection in good order (GOAWAY), it drops the request
 * under way and sends the others again, and an order that was placed would be lost or placed twice.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import type { TLSSocket } from "node:tls";
import { codeOf } from "../../errors.ts";

export interface Sent {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
  /** Milliseconds until the answer begins. */
  readonly patience: number;
}

export interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<unknown> | Iterable<unknown>;
}

export interface Session {
  send(sent: Sent): Promise<Received>;
}

/** Milliseconds that a body may pause, and how many bytes are read of it at least. */
interface Limits {
  readonly idle: number;
  readonly body: number;
}

/** `onEnd` is called when no further request is accepted. */
export function openSession(
  origin: string,
  socket: TLSSocket,
  limits: Limits,
  onEnd: () => void,
): Session {
  const session = connect(origin, {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  // Each request under way fails with it, and says so.
  session.on("error", onEnd);
  session.once("goaway", onEnd);
  session.once("close", onEnd);
  return { send: (sent) => send(sent, session, limits) };
}

/** True for a request that the server has not looked at, so that doing it again does it once. */
export function wasUntouched(error: unknown): boolean {
  return codeOf(error) === untouched;
}

const untouched = "ERR_UNTOUCHED";
/** RFC 9113 §7: the server closed the stream "prior to any processing". */
const refusedStream = 7;
const cancel = 8;

function send(sent: Sent, session: ClientHttp2Session, limits: Limits): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>();
  const { method, headers, body, signal } = sent;
  const { pathname, search } = new URL(sent.url);
  let stream: ClientHttp2Stream;
  try {
    stream = session.request(
      { ":method": method, ":path": pathname + search, ...headers },
      { endStream: body === undefined, signal },
    );
  } catch (error) {
    throw coded(untouched, error);
  }
  let answer: Omit<Received, "body"> | undefined;
  stream.setTimeout(sent.patience);
  stream.on("timeout", () => {
    stream.destroy(coded(answer ? "UND_ERR_BODY_TIMEOUT" : "UND_ERR_HEADERS_TIMEOUT"));
  });
  stream.on("error", (error) =>
    reject(stream.rstCode === refusedStream ? coded(untouched, error) : error),
  );
  stream.once("response", ({ ":status": status = 0, ...received }) => {
    answer = { status, headers: received };
    stream.setTimeout(limits.idle);
  });
  const chunks: Buffer[] = [];
  let left = limits.body;
  const finish = () => answer && resolve({ ...answer, body: chunks });
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    left -= chunk.length;
    if (left >= 0) return;
    finish();
    stream.close(cancel);
  });
  // Node.js ends the body of a stream that was cut as if it were whole; why it closed is known when it has.
  stream.once("close", () => {
    if (stream.readableEnded && stream.rstCode === 0) finish();
    reject(coded("ECONNRESET"));
  });
  if (body !== undefined) stream.end(body);
  return promise;
}

/** Of undici's errors those of time limits, so that both are explained alike. */
function coded(code: string, cause?: unknown): Error {
  return Object.assign(new Error("the HTTP/2 stream ended early", { cause }), { code });
}
