/** As few connections as can be: one by HTTP/2 where the CA has it, else HTTP/1.1. */
import type { TLSSocket } from "node:tls";
import { proxyFor } from "../../proxy.ts";
import type { Http1 } from "./http1.ts";
import { openSession, type Received, type Sent, type Session, wasUntouched } from "./http2.ts";
import { type ClientCertificate, dial, type Trust, trustOf } from "./tls.ts";

export interface Dialing {
  /** PEM text of roots to trust beside the default ones. */
  readonly caBundle?: string | undefined;
  readonly client?: ClientCertificate | undefined;
  /** Read for HTTPS_PROXY, ALL_PROXY and NO_PROXY, in either case. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limits: Limits;
}

/** Milliseconds and bytes. `idle` is how long the CA may stay silent; the answer to a signed request may take up to `total`. */
export interface Limits {
  readonly connect: number;
  readonly idle: number;
  readonly total: number;
  readonly body: number;
}

export interface Connections {
  /** `read` reads the body to its end, or throws to give up the rest. */
  exchange<T>(sent: Sent, read: (received: Received) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Opens no connection yet. */
export function openConnections(dialing: Dialing): Connections {
  const closing = new AbortController();
  let trusted: Trust | undefined;
  let http1: Promise<Http1> | undefined;
  const trust = () => (trusted ??= trustOf(dialing.caBundle, dialing.client));
  const sessions = openSessions(async (url) =>
    dial(url, trust(), dialing.limits.connect, closing.signal),
  );
  const openHttp1 = async () => {
    const { openLanes } = await import("./http1.ts");
    return openLanes(trust(), dialing.limits, (origin) => sessions.takeSpare(origin));
  };

  async function exchange<T>(
    sent: Sent,
    read: (received: Received) => Promise<T>,
    isSecond = false,
  ): Promise<T> {
    const proxy = proxyFor(dialing.env, sent.url);
    const opening =
      proxy === undefined ? sessions.to(new URL(sent.url), dialing.limits) : undefined;
    const session = await whileWanted(opening, sent.signal);
    if (session === undefined) {
      http1 ??= openHttp1();
      return (await http1).exchange(sent, proxy, read);
    }
    let received: Received;
    try {
      received = await session.send(sent);
    } catch (error) {
      if (isSecond || !wasUntouched(error)) throw error;
      return exchange(sent, read, true);
    }
    return read(received);
  }

  return {
    exchange: (sent, read) => exchange(sent, read),
    async close() {
      closing.abort();
      await (await http1)?.close();
    },
  };
}

/** The HTTP/2 sessions of the run, one for all requests to an origin. */
function openSessions(connect: (url: URL) => Promise<TLSSocket>) {
  const sessions = new Map<string, Promise<Session | undefined>>();
  /** Connections that turned out to speak HTTP/1.1, by origin. */
  const spare = new Map<string, TLSSocket>();
  return {
    /** Undefined if the origin speaks HTTP/1.1. */
    to(url: URL, limits: Limits): Promise<Session | undefined> {
      const { origin } = url;
      const known = sessions.get(origin);
      if (known !== undefined) return known;
      const forget = () => void (sessions.get(origin) === opened && sessions.delete(origin));
      const opened = connect(url).then((socket) => {
        if (socket.alpnProtocol === "h2") return openSession(origin, socket, limits, forget);
        spare.set(origin, socket);
        return undefined;
      });
      sessions.set(origin, opened);
      opened.catch(forget);
      return opened;
    },
    takeSpare(origin: string): TLSSocket | undefined {
      const socket = spare.get(origin);
      spare.delete(origin);
      return socket?.destroyed === false ? socket : undefined;
    },
  };
}

async function whileWanted<T>(work: Promise<T> | undefined, signal: AbortSignal) {
  if (work === undefined) return undefined;
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", stop);
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", stop));
}
