/** HTTP/1.1 on undici, through a proxy or not. */
import { TLSSocket } from "node:tls";
import { Agent, buildConnector, type Dispatcher, ProxyAgent, request } from "undici";
import type { Received, Sent } from "./http2.ts";
import { type Trust, watchIssuer } from "./tls.ts";

export interface Http1 {
  /** The request has a connection to itself until `read` ends. */
  exchange<T>(
    sent: Sent,
    proxy: string | undefined,
    read: (received: Received) => Promise<T>,
  ): Promise<T>;
  close(): Promise<void>;
}

/** The first free one is used, so that requests in turn have one connection, where a pool would open several. */
interface Lane {
  isBusy: boolean;
  readonly open: Map<string | undefined, Dispatcher>;
}

/** `takeOpen` answers a connection to an origin that is open already, once. `limits` in milliseconds. */
export function openLanes(
  trust: Trust,
  limits: { readonly connect: number; readonly idle: number },
  takeOpen: (origin: string) => TLSSocket | undefined,
): Http1 {
  const settings = { ...trust, timeout: limits.connect, allowH2: false };
  const build = buildConnector(settings);
  const connect: buildConnector.connector = (options, callback) => {
    const open = takeOpen(`${options.protocol}//${options.host}`);
    // Not at once: undici does not expect an answer before it has asked.
    if (open !== undefined) return queueMicrotask(() => callback(null, open));
    const socket: unknown = build(options, callback);
    if (socket instanceof TLSSocket) watchIssuer(socket);
  };
  const options = { connect, connections: 1, allowH2: false, keepAliveTimeout: 20_000 };
  const open = (uri: string | undefined) =>
    uri === undefined
      ? new Agent(options)
      : new ProxyAgent({ ...options, uri, requestTls: settings, proxyTls: settings });
  const lanes: Lane[] = [];
  return {
    async exchange(sent, proxy, read) {
      const lane = lanes.find(({ isBusy }) => !isBusy) ?? { isBusy: false, open: new Map() };
      if (!lanes.includes(lane)) lanes.push(lane);
      lane.isBusy = true;
      const dispatcher = lane.open.get(proxy) ?? open(proxy);
      lane.open.set(proxy, dispatcher);
      try {
        return await send(sent, dispatcher, limits.idle, read);
      } finally {
        lane.isBusy = false;
      }
    },
    async close() {
      const all = lanes.flatMap((lane) => [...lane.open.values()]);
      await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
    },
  };
}

async function send<T>(
  { url, method, headers, body, signal, patience }: Sent,
  dispatcher: Dispatcher,
  idle: number,
  read: (received: Received) => Promise<T>,
): Promise<T> {
  const response = await request(url, {
    dispatcher,
    method,
    headers,
    body: body ?? null,
    headersTimeout: patience,
    bodyTimeout: idle,
    signal,
    // undici closes the connection after HEAD, in fear of servers that send a body.
    reset: false,
  });
  return read({ status: response.statusCode, headers: response.headers, body: response.body });
}
