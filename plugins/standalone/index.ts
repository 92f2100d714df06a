/** http-01 without a web server: one HTTP server for all challenges of the run. */
import { defineSolver, type Http01Challenge } from "acmectl/plugin";
import {
  createAnswering,
  hostOf,
  hostSources,
  listenOptions,
  placesOf,
  type Responses,
  sharedListeners,
} from "acmectl/plugin/http";

const listeners = sharedListeners<Responses>({
  advice: {
    solver: "standalone",
    highPort: 8080,
    inUse:
      "If it is a web server, use --webroot DIR with the folder that it serves. Otherwise stop it while acmectl runs (--pre-hook, --post-hook), or redirect the challenge path to another port and add --standalone-port.",
  },
  create: createAnswering,
});

export default defineSolver({
  summary: "answers http-01 with its own web server on port 80",
  challengeTypes: ["http-01"],
  concurrency: 16,
  options: {
    ...listenOptions(80, "a reverse proxy"),
    proxyHeader: {
      type: "string",
      choices: hostSources,
      default: "none",
      description:
        "Header with the requested host name, set by a reverse proxy; `none` means Host.",
    },
  },
  create(options, { log }) {
    const bodies = new Map<string, string>();
    const responses = { bodies, hostSource: options.proxyHeader, log };
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
        bodies.set(keyOf(challenge), challenge.body);
        await start(signal);
        return null;
      },
      async cleanup(challenge) {
        bodies.delete(keyOf(challenge));
        if (bodies.size === 0) await listeners.leave(responses);
      },
      async close() {
        bodies.clear();
        await listeners.leave(responses);
      },
    };
  },
});

function keyOf({ identifier, path }: Http01Challenge): string {
  const isIpv6 = identifier.type === "ip" && identifier.value.includes(":");
  return `${hostOf(isIpv6 ? `[${identifier.value}]` : identifier.value)} ${path}`;
}
