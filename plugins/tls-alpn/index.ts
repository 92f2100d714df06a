/** tls-alpn-01 (RFC 8737) without a web server: one TLS server for all challenges of the run. */
import type { SecureContext } from "node:tls";
import { defineSolver, type TlsAlpn01Challenge } from "acmectl/plugin";
import { placesOf, sharedListeners } from "acmectl/plugin/http";
import { challengeCertificate } from "./certificate.ts";
import { createAnswering, secureContext, type Responses } from "./server.ts";

const listeners = sharedListeners<Responses>({
  advice: {
    solver: "tls-alpn",
    highPort: 8443,
    inUse:
      "Let HAProxy, nginx or sslh pass acme-tls/1 on to another port, and add --tls-alpn-port: `acmectl solvers show tls-alpn` has the configuration. Or stop the server while acmectl runs (--pre-hook, --post-hook).",
  },
  create: createAnswering,
});

export default defineSolver({
  summary: "answers tls-alpn-01 with its own TLS server on port 443",
  challengeTypes: ["tls-alpn-01"],
  concurrency: 16,
  options: {
    address: {
      type: "list",
      description: "IP addresses to listen on. Default: all, IPv6 and IPv4.",
      placeholder: "ADDRESS",
    },
    port: {
      type: "port",
      default: 443,
      description:
        "Port to listen on. The CA always connects to port 443: redirect it to this port.",
    },
    socket: {
      type: "path",
      description: "Unix socket to listen on instead of a port, behind HAProxy, nginx or sslh.",
    },
    socketMode: {
      type: "string",
      default: "0660",
      description: "Permissions of the unix socket, in octal. The proxy needs write access.",
    },
    wait: {
      type: "duration",
      default: 120_000,
      min: 0,
      description: "Time to wait for another acmectl run that uses the port.",
    },
  },
  create(options, { log }) {
    const contexts = new Map<string, readonly SecureContext[]>();
    const responses = { contexts, log };
    /** By name and token, so that each challenge removes its own certificate alone. */
    const presented = new Map<string, SecureContext>();
    const places = placesOf(options);
    const start = (signal: AbortSignal) =>
      listeners.join(places, responses, { wait: options.wait, signal });
    const remove = (challenge: TlsAlpn01Challenge) => {
      const name = challenge.serverName;
      const own = presented.get(keyOf(challenge));
      presented.delete(keyOf(challenge));
      const left = (contexts.get(name) ?? []).filter((context) => context !== own);
      if (left.length === 0) contexts.delete(name);
      else contexts.set(name, left);
      return left;
    };
    return {
      /** Binds the port now and keeps it, so that no other program takes it before the CA connects. */
      async preflight(_targets, { signal }) {
        signal.throwIfAborted();
        await start(signal);
      },
      async present(challenge, { signal }) {
        signal.throwIfAborted();
        const others = remove(challenge);
        const context = secureContext(challengeCertificate(challenge));
        presented.set(keyOf(challenge), context);
        contexts.set(challenge.serverName, [...others, context]);
        await start(signal);
        return null;
      },
      async cleanup(challenge) {
        remove(challenge);
        if (contexts.size === 0) await listeners.leave(responses);
      },
      async close() {
        contexts.clear();
        await listeners.leave(responses);
      },
    };
  },
});

function keyOf({ identifier, token }: TlsAlpn01Challenge): string {
  return `${identifier.value} ${token}`;
}
