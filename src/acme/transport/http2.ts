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
  readonly body: AsyncIterable<unknown>;
}

export interface Session {
  send(sent: Sent): Promise<Received>;
}

/** `onEnd` is called once, when no further request is accepted. `idle`: the milliseconds that a body may pause. */
export function openSession(
  origin: string,
  socket: TLSSocket,
  idle: number,
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
  return { send: (sent) => send(sent, session, idle) };
}

/** True for a request that the server has not looked at, so that doing it again does it once. */
export function wasUntouched(error: unknown): boolean {
  return codeOf(error) === untouched;
}

const untouched = "ERR_UNTOUCHED";
/** RFC 9113 §7: the server closed the stream "prior to any processing". */
const refusedStream = 7;

function send(sent: Sent, session: ClientHttp2Session, idle: number): Promise<Received> {
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
  let isAnswered = false;
  stream.setTimeout(sent.patience);
  stream.on("timeout", () =>
    stream.destroy(coded(isAnswered ? "UND_ERR_BODY_TIMEOUT" : "UND_ERR_HEADERS_TIMEOUT")),
  );
  stream.on("error", (error) =>
    reject(stream.rstCode === refusedStream ? coded(untouched, error) : error),
  );
  const closed = new Promise((done) => void stream.once("close", done));
  void closed.then(() => reject(coded("ECONNRESET")));
  stream.once("response", ({ ":status": status = 0, ...received }) => {
    isAnswered = true;
    stream.setTimeout(idle);
    resolve({ status, headers: received, body: bodyOf(stream, closed) });
  });
  if (body !== undefined) stream.end(body);
  return promise;
}

/** Node.js ends the body of a stream that was cancelled as if it were whole; why it closed is known when it has. */
async function* bodyOf(stream: ClientHttp2Stream, closed: Promise<unknown>) {
  yield* stream;
  await closed;
  if (stream.rstCode > 0) throw coded("ECONNRESET");
}

/** Of undici's errors those of time limits, so that both are explained alike. */
function coded(code: string, cause?: unknown): Error {
  return Object.assign(new Error("the HTTP/2 stream ended early", { cause }), { code });
}
