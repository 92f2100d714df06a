/** http-01 without a web server: one HTTP server for all challenges of the run. */
import type { Server } from "node:http";
import { defineSolver, type Http01Challenge } from "acmectl/plugin";
import { hostOf, hostSources, responder } from "./request.ts";
import { closeAll, listenAll, type Place } from "./server.ts";

export default defineSolver({
  summary: "answers http-01 with its own web server on port 80",
  challengeTypes: ["http-01"],
  concurrency: 16,
  options: {
    address: {
      type: "list",
      description: "IP addresses to listen on. Default: all, IPv6 and IPv4.",
      placeholder: "ADDRESS",
    },
    port: {
      type: "port",
      default: 80,
      description:
        "Port to listen on. The CA always connects to port 80: redirect it to this port.",
    },
    socket: {
      type: "path",
      description: "Unix socket to listen on instead of a port, behind a reverse proxy.",
    },
    socketMode: {
      type: "string",
      default: "0660",
      description: "Permissions of the unix socket, in octal. The proxy needs write access.",
    },
    proxyHeader: {
      type: "string",
      choices: hostSources,
      default: "none",
      description:
        "Header with the requested host name, set by a reverse proxy; `none` means Host.",
    },
  },
  create(options, { log }) {
    const responses = new Map<string, string>();
    const places = placesOf(options);
    const listener = responder(responses, options.proxyHeader, log);
    let servers: Promise<readonly Server[]> | undefined;
    let stopped = Promise.resolve();
    const start = async () => {
      const starting = (servers ??= stopped.then(() => listenAll(places, listener, log)));
      try {
        await starting;
      } catch (error) {
        // A port that is taken now may be free at the next try.
        if (servers === starting) servers = undefined;
        throw error;
      }
    };
    const stop = async () => {
      const running = servers;
      servers = undefined;
      if (running !== undefined) stopped = running.then(closeAll, () => {});
      await stopped;
    };
    return {
      /** Binds the port now and keeps it, so that no other program takes it before the CA connects. */
      async preflight(_targets, { signal }) {
        signal.throwIfAborted();
        await start();
      },
      async present(challenge, { signal }) {
        signal.throwIfAborted();
        responses.set(keyOf(challenge), challenge.body);
        await start();
        return null;
      },
      async cleanup(challenge) {
        responses.delete(keyOf(challenge));
        if (responses.size === 0) await stop();
      },
      async close() {
        responses.clear();
        await stop();
      },
    };
  },
});

function keyOf({ identifier, path }: Http01Challenge): string {
  const isIpv6 = identifier.type === "ip" && identifier.value.includes(":");
  return `${hostOf(isIpv6 ? `[${identifier.value}]` : identifier.value)} ${path}`;
}

function placesOf(options: {
  address: readonly string[] | undefined;
  port: number;
  socket: string | undefined;
  socketMode: string;
}): readonly Place[] {
  const { address = [], port, socket, socketMode } = options;
  if (socket !== undefined) return [{ socket, mode: socketMode }];
  if (address.length === 0) return [{ port }];
  return address.map((host) => ({ host, port }));
}
