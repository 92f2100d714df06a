/** One listener per address and port in the process, shared by all solvers of a run; other acmectl runs are waited for. */
import type { RequestListener, Server } from "node:http";
import { isIPv4, isIPv6 } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "acmectl/plugin";
import { inTurns } from "acmectl/plugin/http";
import { acmectlHolding, listenProblem } from "./errors.ts";
import { answer, type Responses } from "./request.ts";
import { closeServer, listenOptions, nameOf, openServer, type Place } from "./server.ts";

interface Listener {
  readonly place: Place;
  readonly server: Server;
  readonly users: Set<Responses>;
}

export interface Waiting {
  /** Milliseconds to wait for another acmectl run that uses the port. */
  readonly wait: number;
  readonly signal: AbortSignal;
}

const listeners = new Set<Listener>();
/** Opening and closing of one port or socket, one after the other. */
const inTurn = inTurns();

/** Serves `responses` at all places, or at none: rejects with a Problem of kind `machine`. */
export async function join(
  places: readonly Place[],
  responses: Responses,
  waiting: Waiting,
): Promise<void> {
  try {
    for (const place of places)
      await inTurn(turnOf(place), () => joinOne(place, responses, waiting));
  } catch (error) {
    await leave(responses);
    throw error;
  }
}

/** Stops serving `responses`. Closes the listeners that serve no others, with every open connection. */
export async function leave(responses: Responses): Promise<void> {
  const used = [...listeners].filter(({ users }) => users.has(responses));
  await Promise.all(
    used.map((listener) =>
      inTurn(turnOf(listener.place), async () => {
        listener.users.delete(responses);
        if (listener.users.size > 0 || !listeners.delete(listener)) return;
        await closeServer(listener.server);
      }),
    ),
  );
}

async function joinOne(place: Place, responses: Responses, waiting: Waiting): Promise<void> {
  const shared = [...listeners].find((listener) => covers(listener.place, place));
  if (shared?.users.has(responses) === true) return;
  const { server, users } = shared ?? (await openListener(place, waiting, responses.log));
  users.add(responses);
  responses.log.debug("listening for validation requests", { on: nameOf(server) });
}

/** Opens a listener. On all addresses it takes over from those of this process on single addresses. */
async function openListener(place: Place, waiting: Waiting, log: Log): Promise<Listener> {
  const replaced = [...listeners].filter((listener) => covers(place, listener.place));
  const users = new Set(replaced.flatMap((listener) => [...listener.users]));
  for (const listener of replaced) {
    listeners.delete(listener);
    await closeServer(listener.server);
  }
  try {
    const server = await openWhenFree(place, answer(users), waiting, log);
    const listener = { place, server, users };
    listeners.add(listener);
    return listener;
  } catch (error) {
    for (const { place, users } of replaced)
      listeners.add({ place, server: await openServer(place, answer(users)), users });
    throw error;
  }
}

const pollInterval = 250;

async function openWhenFree(
  place: Place,
  listener: RequestListener,
  { wait, signal }: Waiting,
  log: Log,
): Promise<Server> {
  const started = performance.now();
  for (let informed = false; ; informed = true) {
    try {
      return await openServer(place, listener);
    } catch (error) {
      const options = listenOptions(place);
      const holder = await acmectlHolding(error, options);
      const waited = performance.now() - started;
      if (holder === undefined || waited >= wait) throw await listenProblem(error, options, waited);
      if (!informed)
        log.info(`waiting for acmectl (pid ${holder}), which uses ${nameOfPlace(place)}`);
      await sleep(pollInterval, undefined, { signal });
    }
  }
}

function nameOfPlace(place: Place): string {
  return "socket" in place ? place.socket : `port ${place.port}`;
}

function turnOf(place: Place): string {
  return "socket" in place ? place.socket : String(place.port);
}

/** True if a listener on `one` gets the connections to `other`. Port 0 is a new port each time. */
function covers(one: Place, other: Place): boolean {
  if (one === other) return true;
  if ("socket" in one || "socket" in other)
    return "socket" in one && "socket" in other && one.socket === other.socket;
  return one.port === other.port && one.port !== 0 && coversHost(one.host, other.host);
}

function coversHost(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || one === other) return true;
  if (other === undefined) return false;
  return one === "0.0.0.0" ? isIPv4(other) : one === "::" && isIPv6(other);
}
