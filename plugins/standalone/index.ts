/** http-01 without a web server: one HTTP server for all challenges of the run. */
import { defineSolver, type Http01Challenge } from "acmectl/plugin";
import { hostOf, hostSources } from "./host.ts";
import { closeAll, listenAll, type Place } from "./listen.ts";
import { responder } from "./responder.ts";
import type { Server } from "node:http";

export default defineSolver({
  summary: "answers http-01 with a web server of its own, on port 80",
  challengeTypes: ["http-01"],
  concurrency: 16,
  options: {
    address: {
      type: "list",
      description:
        "IP addresses to listen on; all addresses of the machine, IPv6 and IPv4, when absent.",
      placeholder: "ADDRESS",
    },
    port: {
      type: "port",
      default: 80,
      description:
        "Port to listen on; the CA always asks port 80, so that another one needs a redirect to it.",
    },
    socket: {
      type: "path",
      description: "Unix socket to listen on instead of a port, for a reverse proxy on port 80.",
    },
    socketMode: {
      type: "string",
      default: "0660",
      description:
        "Permissions of the unix socket, in octal digits; a proxy has to be able to write.",
    },
    proxyHeader: {
      type: "string",
      choices: hostSources,
      default: "none",
      description:
        "Header in which a reverse proxy passes on the name that was asked for; with `none` it is Host.",
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
      /** The port is bound now and kept, so that nobody else has it when the CA comes. */
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
