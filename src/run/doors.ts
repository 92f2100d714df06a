import type { Server } from "node:net";
import type { Context } from "../context.ts";
import { codeOf, messageOf } from "../errors.ts";
import type { listenFlags, respondFlags } from "../options/declared/respond.ts";
import type { OptionsOf } from "../options/declaration.ts";
import { nameOf, openServer, type OpenServer, type Place } from "../plugin/server.ts";
import { Problem } from "../problem.ts";
import { openAnswers } from "./answers.ts";
import { healthServer, type Health } from "./health.ts";
import { placeOf } from "./place.ts";
import { httpResponder } from "./respond-http.ts";
import { tlsResponder } from "./respond-tls.ts";

/** Where a service answers others. */
export interface Doors {
  readonly health: readonly Place[];
  readonly http: readonly Place[];
  readonly tls: readonly Place[];
}

export interface Opened {
  /** E.g. `health at 127.0.0.1:9402`. */
  readonly listening: readonly string[];
  close(): Promise<void>;
}

/** Without places for answers, none are given. */
export function doorsOf(
  flags: OptionsOf<typeof listenFlags>,
  answers: Partial<OptionsOf<typeof respondFlags>>,
  { cwd }: Pick<Context, "cwd">,
): Doors {
  const places = (texts: readonly string[] = [], flag: string) =>
    texts
      .filter((text) => text !== "none")
      .map((text) => placeOf(text, flag, flags.socketMode, cwd));
  return {
    health: places(flags.listen, "--listen"),
    http: places(answers.http, "--http"),
    tls: places(answers.tls, "--tls"),
  };
}

/** Opens all or none. */
export async function openDoors(
  doors: Doors,
  health: () => Health,
  context: Context,
): Promise<Opened> {
  const { answers } = await context.store();
  const known = openAnswers(() => answers.list(), context.clock);
  const kinds = [
    ["health", doors.health, () => healthServer(health, context)],
    ["http-01", doors.http, () => httpResponder(known, context.log)],
    ["tls-alpn-01", doors.tls, () => tlsResponder(known, context.log)],
  ] as const;
  const opened: { readonly what: string; readonly server: OpenServer }[] = [];
  const close = async () => {
    await Promise.all(opened.map(({ server }) => server.close()));
  };
  try {
    for (const [what, places, create] of kinds)
      for (const place of places) opened.push({ what, server: await open(place, create()) });
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
