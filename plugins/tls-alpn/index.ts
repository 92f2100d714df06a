/** tls-alpn-01 (RFC 8737) without a web server: one TLS server for all challenges of the run. */
import { defineSolver, type TlsAlpn01Challenge } from "acmectl/plugin";
import {
  challengeCertificate,
  listenOptions,
  placesOf,
  sharedListeners,
} from "acmectl/plugin/http";
import { createAnswering, secureContext, type Responses, type Shown } from "./server.ts";

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
    ...listenOptions(443, "HAProxy, nginx or sslh"),
  },
  create(options, { log }) {
    /** By name and token, so that each challenge removes its own certificate alone. */
    const shown = new Map<string, Shown>();
    const responses = { shown, log };
    const places = placesOf(options);
    const start = (signal: AbortSignal) =>
      listeners.join(places, responses, { wait: options.wait, signal });
    return {
      /** Binds the port now and keeps it, so that no other program takes it before the CA connects. */
      async preflight(_targets, { signal }) {
        signal.throwIfAborted();
        await start(signal);
      },
      async present(challenge, { signal }) {
        signal.throwIfAborted();
        const context = secureContext(challengeCertificate(challenge));
        // The latest of a name is shown.
        shown.delete(keyOf(challenge));
        shown.set(keyOf(challenge), { serverName: challenge.serverName, context });
        await start(signal);
        return null;
      },
      async cleanup(challenge) {
        shown.delete(keyOf(challenge));
        if (shown.size === 0) await listeners.leave(responses);
      },
      async close() {
        shown.clear();
        await listeners.leave(responses);
      },
    };
  },
});

function keyOf({ identifier, token }: TlsAlpn01Challenge): string {
  return `${identifier.value} ${token}`;
}
