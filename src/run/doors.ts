import type { Server } from "node:net";
import type { Context } from "../context.ts";
import { codeOf, messageOf } from "../errors.ts";
import { nameOf, openServer, type OpenServer, type Place } from "../plugin/server.ts";
import { Problem } from "../problem.ts";
import { healthServer, type Health } from "./health.ts";

/** Where the service answers others. */
export interface Doors {
  readonly health: readonly Place[];
}

export interface Opened {
  /** E.g. `health at 127.0.0.1:9402`. */
  readonly listening: readonly string[];
  close(): Promise<void>;
}

/** Opens all or none. */
export async function openDoors(
  doors: Doors,
  health: () => Health,
  context: Context,
): Promise<Opened> {
  const opened: { readonly what: string; readonly server: OpenServer }[] = [];
  const close = async () => {
    await Promise.all(opened.map(({ server }) => server.close()));
  };
  try {
    for (const place of doors.health)
      opened.push({ what: "health", server: await open(place, healthServer(health, context)) });
  } catch (error) {
    await close();
    throw error;
  }
  const listening = opened.map(({ what, server }) => `${what} at ${nameOf(server)}`);
  return { listening, close };
}

async function open(place: Place, server: Server): Promise<OpenServer> {
  try {
    return await openServer(place, server);
  } catch (error) {
    if (Problem.is(error)) throw error;
    const where =
      "socket" in place ? place.socket : `${place.host ?? "all addresses"}, port ${place.port}`;
    throw new Problem("machine", {
      title: "Cannot listen",
      detail: `Cannot listen on ${where}: ${messageOf(error)}.`,
      hint: hints[codeOf(error)] ?? "Check the address, the port, or the path of the socket.",
      cause: error,
    });
  }
}

const hints: Readonly<Record<string, string>> = {
  EACCES: "Choose a port above 1023 or another path for the socket, or run acmectl as root.",
  EADDRINUSE: "Choose another port, or stop the program that uses it.",
  EADDRNOTAVAIL: "Choose an address of this machine; `ip address` lists them.",
};
