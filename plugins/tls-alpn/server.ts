/** Answers handshakes for `acme-tls/1` and a name that has a challenge, and no others. */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createSecureContext, createServer, type SecureContext, type Server } from "node:tls";
import type { Identifier, Log } from "acmectl/plugin";
import { patience } from "acmectl/plugin/http";
import { addressBytes, type KeyAndCertificate } from "./certificate.ts";

/** The responses of one solver. */
export interface Responses {
  /** By the server name that the CA asks for; the latest of a name last. */
  readonly contexts: ReadonlyMap<string, readonly SecureContext[]>;
  readonly log: Log;
}

const protocol = "acme-tls/1";

export function createAnswering(users: ReadonlySet<Responses>): Server {
  const server = createServer({
    minVersion: "TLSv1.2",
    handshakeTimeout: patience,
    // Without tickets every connection is a full handshake, which shows the certificate.
    secureOptions: constants.SSL_OP_NO_TICKET,
    SNICallback(name, done) {
      const context = contextFor(name, users);
      done(context === undefined ? new Error(`no challenge for ${plain(name)}`) : null, context);
    },
    // RFC 8737 §3: the CA offers this protocol alone.
    ALPNCallback: ({ protocols }) =>
      protocols.length === 1 && protocols[0] === protocol ? protocol : undefined,
  });
  server.on("secureConnection", (socket) => {
    const answered = socket.alpnProtocol === protocol;
    const from = sourceOf(socket);
    const name = plain(socket.servername || "no name");
    for (const { log } of users) {
      if (answered) log.debug(`answered a validation request for ${name}`, { from });
      else log.debug("refused a TLS connection without acme-tls/1", { from, name });
    }
    // RFC 8737 §4: the handshake is all; no application data is exchanged.
    socket.on("error", () => {}).end(() => socket.destroy());
  });
  server.on("tlsClientError", (error, socket) => {
    const reason = plain(error.message);
    for (const { log } of users) {
      log.debug("refused a TLS connection", { from: sourceOf(socket), reason });
    }
    socket.destroy();
  });
  return server;
}

function contextFor(name: string, users: ReadonlySet<Responses>): SecureContext | undefined {
  const asked = name.toLowerCase();
  for (const { contexts } of users) {
    const context = contexts.get(asked)?.at(-1);
    if (context !== undefined) return context;
  }
  return undefined;
}

export function secureContext({ key, cert }: KeyAndCertificate): SecureContext {
  return createSecureContext({ key, cert, minVersion: "TLSv1.2" });
}

/** RFC 8738 §6: a server name cannot be an address, so the CA asks for its name in the reverse zone. */
export function serverNameOf({ type, value }: Identifier): string {
  if (type === "dns") return value;
  const bytes = [...addressBytes(value)].toReversed();
  if (bytes.length === 4) return `${bytes.join(".")}.in-addr.arpa`;
  const digits = bytes.flatMap((byte) => [byte & 0xf, byte >> 4]);
  return `${digits.map((digit) => digit.toString(16)).join(".")}.ip6.arpa`;
}

function sourceOf(socket: Pick<Socket, "remoteAddress">): string {
  return socket.remoteAddress ?? "a unix socket";
}

/** It comes from the network: log it short and without control characters. */
function plain(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "").slice(0, 120);
}
