import { createHash } from "node:crypto";
import { connect, type TLSSocket } from "node:tls";
import { codeOf, messageOf } from "../../errors.ts";
import type { Place } from "../../options/place.ts";
import type { TlsAlpn01Challenge } from "../../plugin.ts";

interface TlsSight {
  readonly outcome: "right" | "wrong" | "unreachable";
  readonly text: string;
  readonly hint?: string | undefined;
}

const protocol = "acme-tls/1";

/** One handshake as the CA makes it (RFC 8737 §3). */
export async function lookByTls(
  { host, port }: Place,
  challenge: TlsAlpn01Challenge,
  signal: AbortSignal,
): Promise<TlsSight> {
  const socket = connect({
    host,
    port,
    servername: challenge.serverName,
    ALPNProtocols: [protocol],
    minVersion: "TLSv1.2",
    rejectUnauthorized: false,
  });
  try {
    await connected(socket, signal);
    return judge(socket, challenge);
  } catch (error) {
    // A TLS alert, or an answer that is not TLS: something listens there that is not the solver.
    const isRefused = codeOf(error).startsWith("ERR_SSL_");
    return isRefused ? otherServer : { outcome: "unreachable", text: messageOf(error) };
  } finally {
    socket.destroy();
  }
}

function connected(socket: TLSSocket, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  limit.addEventListener("abort", () => reject(new Error("no answer in time")), { once: true });
  socket.once("secureConnect", resolve).on("error", reject);
  return promise;
}

function judge(socket: TLSSocket, challenge: TlsAlpn01Challenge): TlsSight {
  if (socket.alpnProtocol !== protocol) return otherServer;
  const certificate = socket.getPeerX509Certificate();
  const digest = createHash("sha256").update(challenge.keyAuthorization).digest();
  const isRight = certificate?.raw.includes(Buffer.concat([extension, digest])) === true;
  return isRight
    ? { outcome: "right", text: "the response" }
    : { outcome: "wrong", text: "a certificate for another challenge" };
}

/** acmeIdentifier, critical, before the 32 bytes of its value. */
const extension = Buffer.from("06082b0601050507011f0101ff04220420", "hex");

const otherServer = {
  outcome: "wrong",
  text: "a server that does not accept acme-tls/1",
  hint: "Let HAProxy, nginx or sslh on port 443 pass acme-tls/1 on to acmectl (--tls-alpn-port), and check that A and AAAA records point to this host. --no-self-check skips this check.",
} as const;
