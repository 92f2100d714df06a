/** tls-alpn-01 (RFC 8737) by the answers in the state. */
import { constants, createHash } from "node:crypto";
import { createSecureContext, createServer, type SecureContext, type Server } from "node:tls";
import { callbackify } from "node:util";
import { identifierOf } from "../address.ts";
import { messageOf } from "../errors.ts";
import type { Answer, Log } from "../plugin.ts";
import { challengeCertificate } from "../plugin/challenge-certificate.ts";
import { patience } from "../plugin/server.ts";
import type { KnownAnswers } from "./answers.ts";

const protocol = "acme-tls/1";

export function tlsResponder(answers: KnownAnswers, log: Log): Server {
  const contextFor = async (name: string): Promise<SecureContext> => {
    const host = name.toLowerCase();
    const answer = await answers
      .find((one) => one.type === "tls-alpn-01" && one.host === host)
      .catch((error: unknown) => {
        log.warn(`could not look up a challenge: ${messageOf(error)}`, { step: "respond" });
        throw error;
      });
    if (answer === undefined) throw new Error("no challenge for this name");
    log.info(`answered a validation request for ${host}`, { step: "respond" });
    return secureContext(answer);
  };
  const server = createServer({
    minVersion: "TLSv1.2",
    handshakeTimeout: patience,
    // Without tickets every connection is a full handshake, which shows the certificate.
    secureOptions: constants.SSL_OP_NO_TICKET,
    SNICallback: callbackify(contextFor),
    // RFC 8737 §3: the CA offers this protocol alone.
    ALPNCallback: ({ protocols }) =>
      protocols.length === 1 && protocols[0] === protocol ? protocol : undefined,
  });
  server.on("secureConnection", (socket) => {
    // RFC 8737 §4: the handshake is all; no application data is exchanged.
    socket.on("error", () => {}).end(() => socket.destroy());
  });
  server.on("tlsClientError", (error, socket) => {
    log.debug("refused a TLS connection", { from: socket.remoteAddress, reason: error.message });
    socket.destroy();
  });
  return server;
}

function secureContext({ host, content }: Answer): SecureContext {
  const digest = createHash("sha256").update(content).digest("hex");
  const made = challengeCertificate({ identifier: identifierOf(host), digest });
  return createSecureContext({ ...made, minVersion: "TLSv1.2" });
}
