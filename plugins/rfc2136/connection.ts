/** Concurrent exchanges with one server, over one TCP connection, or UDP with a fallback to TCP. */
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import { abortable } from "acmectl/plugin/http";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  /** Milliseconds for one response. */
  readonly timeout: number;
}

export type Connection = ReturnType<typeof openConnection>;

/** There is no response; the message is the reason. */
export class NoAnswer extends Error {}

/** Bytes that every server accepts in a datagram. */
const datagram = 512;

/** Connects when first needed. `close` and the signal end all exchanges. */
export function openConnection(endpoint: Endpoint, signal: AbortSignal) {
  const open: { tcp?: Channel; udp?: Channel } = {};
  const ask = (channel: Channel, message: Buffer, accept: Accept) =>
    waitFor(channel, message, accept, endpoint, signal);
  const overTcp = async (message: Buffer, accept: Accept): Promise<Buffer> => {
    const used = open.tcp?.usable() === true ? open.tcp : undefined;
    try {
      return await ask((open.tcp = used ?? tcpChannel(endpoint)), message, accept);
    } catch (error) {
      // A server may close an idle connection at any time (RFC 7766 §6.2.3); every message may be sent twice.
      if (used === undefined || !(error instanceof NoAnswer) || error.message !== closed)
        throw error;
      return ask((open.tcp = tcpChannel(endpoint)), message, accept);
    }
  };
  return {
    /** Sends a message and resolves with the first response with its id that `accept` returns true for. Rejects with what it throws. */
    async exchange(message: Buffer, accept: Accept): Promise<Buffer> {
      signal.throwIfAborted();
      if (endpoint.protocol === "tcp" || message.length > datagram) return overTcp(message, accept);
      open.udp ??= await udpChannel(endpoint);
      const answer = await ask(open.udp, message, accept).catch((error: unknown) => {
        if (error instanceof NoAnswer) return undefined;
        throw error;
      });
      const truncated = answer !== undefined && ((answer[2] ?? 0) & 0x02) !== 0;
      return answer === undefined || truncated ? overTcp(message, accept) : answer;
    },
    close() {
      open.tcp?.close();
      open.udp?.close();
    },
  };
}

type Accept = (answer: Buffer) => boolean;

interface Channel {
  send(message: Buffer): void;
  usable(): boolean;
  close(): void;
  /** Called with each message and with the error that ends the channel. */
  readonly listeners: Set<{ take(answer: Buffer): void; fail(error: Error): void }>;
}

const closed = "the server closed the connection";

function tcpChannel({ host, port }: Endpoint): Channel {
  const socket = connect({ host, port, noDelay: true });
  const listeners: Channel["listeners"] = new Set();
  let received = Buffer.alloc(0);
  let ended = false;
  const end = (error: Error) => {
    ended = true;
    for (const listener of listeners) listener.fail(error);
  };
  socket.on("error", (error) => end(new NoAnswer(reasonOf(error), { cause: error })));
  socket.on("close", () => end(new NoAnswer(closed)));
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
      const size = received.readUInt16BE(0) + 2;
      const answer = received.subarray(2, size);
      received = received.subarray(size);
      for (const listener of listeners) listener.take(answer);
    }
  });
  return {
    listeners,
    usable: () => !ended,
    close: () => socket.destroy(),
    send(message) {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      socket.write(Buffer.concat([length, message]));
    },
  };
}

async function udpChannel({ host, port }: Endpoint): Promise<Channel> {
  const { address, family } = await lookup(host).catch((error: unknown) => {
    throw new NoAnswer(`the host name ${host} has no address`, { cause: error });
  });
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  const listeners: Channel["listeners"] = new Set();
  const fail = (error: Error) => {
    const failure = new NoAnswer(reasonOf(error), { cause: error });
    for (const listener of listeners) listener.fail(failure);
  };
  socket.on("error", fail);
  socket.on("message", (answer, from) => {
    if (from.port !== port || from.address !== address) return;
    for (const listener of listeners) listener.take(answer);
  });
  return {
    listeners,
    usable: () => true,
    close: () => socket.close(),
    send: (message) => socket.send(message, port, address, (error) => error && fail(error)),
  };
}

async function waitFor(
  channel: Channel,
  message: Buffer,
  accept: Accept,
  { timeout }: Endpoint,
  signal: AbortSignal,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const listener = {
    fail: reject,
    take(answer: Buffer) {
      if (answer.length < 12 || answer.readUInt16BE(0) !== message.readUInt16BE(0)) return;
      try {
        if (accept(answer)) resolve(answer);
      } catch (error) {
        reject(error);
      }
    },
  };
  const late = () => reject(new NoAnswer(`no response within ${timeout / 1000} s`));
  const timer = setTimeout(late, timeout);
  channel.listeners.add(listener);
  channel.send(message);
  try {
    return await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
    channel.listeners.delete(listener);
  }
}

function reasonOf({ code = "", message }: NodeJS.ErrnoException): string {
  return reasons[code] ?? (code || message);
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: closed,
  EPIPE: closed,
  ENOTFOUND: "the host name does not exist",
};
