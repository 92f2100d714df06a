import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { abortable } from "../abortable.ts";
import { beginningOf } from "../body.ts";
import { codeOf, messageOf } from "../errors.ts";
import type { fetchByProxy } from "../proxy.ts";

/** No answer came: why, in a word or two, and whether this machine has no route to the server. */
export class NoReply extends Error {
  readonly unreachable: boolean;

  constructor(outcome: string, options: { cause?: unknown; unreachable?: boolean } = {}) {
    super(outcome, { cause: options.cause });
    this.unreachable = options.unreachable ?? false;
  }
}

/** One question on its way: what to send, and which answer to take. */
interface Exchange<T> {
  readonly query: Buffer;
  /** Reads an answer; undefined for one that belongs to another question. */
  readonly read: (message: Buffer) => T | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

interface Place {
  readonly address: string;
  readonly port: number;
}

/** Ask by UDP from a port of its own, and again at half time, since datagrams get lost. */
export function exchangeByUdp<T>(exchange: Exchange<T> & Place): Promise<T> {
  const { address, port, query, read, timeout } = exchange;
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  return untilSettled(exchange, (settle, fail) => {
    const send = () => socket.send(query, (error) => error && fail(noReply(error)));
    const again = setTimeout(send, timeout / 2);
    // Without a route to the address, the error is given to this callback and is not an event.
    const connected = (error?: Error) => (error ? fail(noReply(error)) : send());
    socket.on("error", (error) => fail(noReply(error)));
    socket.on("message", (message) => attempt(() => read(message), settle, fail));
    // A connected socket receives answers from that address only, and an error if its port is closed.
    socket.connect(port, address, connected);
    return () => {
      clearTimeout(again);
      socket.close();
    };
  });
}

/** Ask by TCP, length first (RFC 7766 §8). */
export function exchangeByTcp<T>(exchange: Exchange<T> & Place): Promise<T> {
  const { address, port, query, read } = exchange;
  const socket = connect({ host: address, port });
  return untilSettled(exchange, (settle, fail) => {
    let received = Buffer.alloc(0);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.on("error", (error) => fail(noReply(error)));
    socket.on("close", () => fail(new NoReply("connection closed")));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        const end = received.readUInt16BE(0) + 2;
        const message = received.subarray(2, end);
        received = received.subarray(end);
        attempt(() => read(message), settle, fail);
      }
    });
    socket.write(Buffer.concat([length, query]));
    return () => socket.destroy();
  });
}

const largest = 65_535;

/** Ask by DNS over HTTPS: a POST of the message (RFC 8484 §4.1). */
export async function exchangeByHttps<T>(
  exchange: Exchange<T> & { readonly url: string; readonly fetch: typeof fetchByProxy },
): Promise<T> {
  const { url, query, read, timeout, signal } = exchange;
  const limit = AbortSignal.timeout(timeout);
  try {
    const response = await exchange.fetch(url, {
      method: "POST",
      headers: { "content-type": "application/dns-message", accept: "application/dns-message" },
      body: new Uint8Array(query),
      redirect: "error",
      signal: AbortSignal.any([signal, limit]),
    });
    if (!response.ok) throw new NoReply(`HTTP status ${response.status}`);
    const { bytes, whole } = await beginningOf(response.body, largest);
    if (!whole) throw new NoReply("answer too large");
    const value = read(bytes);
    if (value === undefined) throw new NoReply("answer to another question");
    return value;
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw new NoReply("timeout", { cause: error });
    if (!(error instanceof TypeError)) throw error;
    // fetch says only "fetch failed"; the cause has the code.
    const { cause = error } = error;
    throw new NoReply(codeOf(cause) || messageOf(cause), { cause: error });
  }
}

/** The first of: an answer, a failure, the time limit, the signal. The function that `start` returns then cleans up. */
async function untilSettled<T>(
  { timeout, signal }: Exchange<T>,
  start: (settle: (value: T) => void, fail: (error: unknown) => void) => () => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new NoReply("timeout")), timeout);
  const cleanUp = start(resolve, reject);
  try {
    return await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
    cleanUp();
  }
}

function attempt<T>(
  read: () => T | undefined,
  settle: (value: T) => void,
  fail: (error: unknown) => void,
): void {
  try {
    const value = read();
    if (value !== undefined) settle(value);
  } catch (error) {
    fail(error);
  }
}

const noRoute = new Set(["ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL"]);

function noReply(error: NodeJS.ErrnoException): NoReply {
  const { code } = error;
  if (code === "ECONNREFUSED") return new NoReply("nothing listens there", { cause: error });
  if (code !== undefined && noRoute.has(code))
    return new NoReply("no route from this machine", { cause: error, unreachable: true });
  return new NoReply(code ?? error.message, { cause: error });
}
