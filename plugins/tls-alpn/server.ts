/** Answers handshakes for `acme-tls/1` and a name that has a challenge, and no others. */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createSecureContext, createServer, type SecureContext, type Server } from "node:tls";
import type { Log } from "acmectl/plugin";
import { codeOf, patience, type KeyAndCertificate } from "acmectl/plugin/http";

/** What is shown to a CA that asks for this server name. */
export interface Shown {
  readonly serverName: string;
  readonly context: SecureContext;
}

/** The responses of one solver. */
export interface Responses {
  /** The latest last. */
  readonly shown: ReadonlyMap<string, Shown>;
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
    ALPNCallback({ servername, protocols }) {
      if (protocols.length !== 1 || protocols[0] !== protocol) return undefined;
      for (const { log } of users) {
        log.debug(`answering a validation request for ${plain(servername)}`);
      }
      return protocol;
    },
  });
  server.on("secureConnection", (socket) => {
    if (socket.alpnProtocol !== protocol) refused("it offers no acme-tls/1", socket, users);
    // RFC 8737 §4: the handshake is all; no application data is exchanged.
    socket.on("error", () => {}).end(() => socket.destroy());
  });
  server.on("tlsClientError", (error, socket) => {
    // The CA may go as soon as it has seen the certificate.
    if (codeOf(error) !== "ECONNRESET") refused(plain(error.message), socket, users);
    socket.destroy();
  });
  return server;
}

function refused(
  reason: string,
  { remoteAddress = "a unix socket" }: Pick<Socket, "remoteAddress">,
  users: ReadonlySet<Responses>,
): void {
  for (const { log } of users) {
    log.debug("refused a TLS connection", { from: remoteAddress, reason });
  }
}

function contextFor(name: string, users: ReadonlySet<Responses>): SecureContext | undefined {
  const asked = name.toLowerCase();
  const all = [...users].flatMap(({ shown }) => [...shown.values()]);
  return all.findLast(({ serverName }) => serverName === asked)?.context;
}

export function secureContext({ key, cert }: KeyAndCertificate): SecureContext {
  return createSecureContext({ key, cert, minVersion: "TLSv1.2" });
}

/** It comes from the network: log it short and without control characters. */
function plain(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "").slice(0, 120);
}
